#include "jit/package/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "codegen/error.h"

namespace kiln::jit::package {
namespace {

[[noreturn]] void failed(const std::string& what, int error) {
  fail(ErrorCode::io, "cannot " + what + ": " + std::strerror(error) + "; what was there before is unchanged");
}

// Where a link leads, so that it stays one.
std::string resolved(const std::string& path) {
  char* const real = realpath(path.c_str(), nullptr);
  if (real == nullptr) return path;
  std::string result(real);
  std::free(real);
  return result;
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, std::max<size_t>(slash, 1));
}

}  // namespace

OutputFile::OutputFile(const std::string& path) : path_(resolved(path)) {
  struct stat old{};
  const bool exists = stat(path_.c_str(), &old) == 0;
  if (exists && !S_ISREG(old.st_mode)) fail(ErrorCode::io, "cannot be written: it is not a regular file");
  static std::atomic<unsigned> count{0};
  constexpr int kTries = 100;  // names that an earlier process of this number left behind
  for (int i = 0; i < kTries && file_ < 0; ++i) {
    temporary_ = path_ + "." + std::to_string(getpid()) + "-" + std::to_string(count++) + ".tmp";
    file_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file_ < 0 && errno != EEXIST) break;
  }
  if (file_ < 0) failed("create " + temporary_, errno);
  if (exists) fchmod(file_, old.st_mode & 07777);
}

OutputFile::~OutputFile() {
  if (file_ >= 0) close(file_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

void OutputFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(file_, bytes.data(), std::min<size_t>(bytes.size(), 1 << 30));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) failed("write", errno);
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
}

void OutputFile::commit() {
  if (fsync(file_) != 0) failed("write", errno);
  const int file = std::exchange(file_, -1);
  if (close(file) != 0) failed("write", errno);
  if (rename(temporary_.c_str(), path_.c_str()) != 0) failed("rename " + temporary_, errno);
  temporary_.clear();
  // The new name, too, should survive a power failure; not every file system can promise it.
  const int folder = open(folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return;
  fsync(folder);
  close(folder);
}

}  // namespace kiln::jit::package
