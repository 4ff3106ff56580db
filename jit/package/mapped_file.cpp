#include "jit/package/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "codegen/error.h"

namespace kiln::jit::package {
namespace {

struct Descriptor {
  int number;
  ~Descriptor() {
    if (number >= 0) close(number);
  }
};

[[noreturn]] void failed(const char* what) { fail(ErrorCode::io, std::string("cannot be ") + what + ": " + std::strerror(errno)); }

}  // namespace

MappedFile::MappedFile(const std::string& path) {
  const Descriptor file{open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};  // a pipe is refused below, not waited for
  struct stat status{};
  if (file.number < 0 || fstat(file.number, &status) != 0) failed("opened");
  if (!S_ISREG(status.st_mode)) fail(ErrorCode::io, "cannot be read: it is not a regular file");
  if (status.st_size == 0) fail(ErrorCode::io, "the file is empty");
  size_ = static_cast<size_t>(status.st_size);
  void* const mapped = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, file.number, 0);
  if (mapped == MAP_FAILED) failed("mapped");
  data_ = static_cast<std::byte*>(mapped);
}

MappedFile::~MappedFile() { munmap(data_, size_); }

}  // namespace kiln::jit::package
