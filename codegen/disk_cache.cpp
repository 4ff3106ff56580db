// A file, in this machine's byte order:
//   Header         magic, checksum of everything after it, verdict, lengths
//   key            stamp, NUL, the kernel as bytes; its hash is the file's name, and it is compared in full
//   image
#include "codegen/disk_cache.h"

#include <cpuid.h>
#include <dirent.h>
#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>

#include "codegen/cpu_cache.h"
#include "codegen/hash.h"
#include "codegen/tunables.h"

namespace kiln::codegen {
namespace {

constexpr char kSuffix[] = ".code", kDraftSuffix[] = ".draft";
constexpr int64_t kLargest = 64 << 20;    // bytes of a file that is read
constexpr int64_t kTouchAfter = 3600;     // seconds: how stale a file's time may be before a use renews it
constexpr int64_t kDraftsDieAfter = 600;  // seconds: a draft this old was left by a process that ended

struct Header {
  char magic[8];
  char checksum[32];  // hash_of what follows
  uint32_t verdict;
  float ratio;
  uint64_t key_bytes, image_bytes;
};
static_assert(sizeof(Header) == 64);
constexpr char kMagic[9] = "kilncod1";
constexpr size_t kUnchecked = offsetof(Header, verdict);

class File {
 public:
  explicit File(int fd) : fd_(fd) {}
  ~File() {
    if (fd_ >= 0) close(fd_);
  }
  File(const File&) = delete;
  explicit operator bool() const { return fd_ >= 0; }
  int fd() const { return fd_; }

 private:
  const int fd_;
};

// Is it this user's, and nobody else's to read or write?
bool is_private(int fd, mode_t type, struct stat& s) {
  return fstat(fd, &s) == 0 && (s.st_mode & S_IFMT) == type && s.st_uid == geteuid() && (s.st_mode & 077) == 0;
}

int open_folder(const std::string& folder) {
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  struct stat s;
  if (fd < 0 || is_private(fd, S_IFDIR, s)) return fd;
  close(fd);
  return -1;
}

bool read_all(int fd, char* to, size_t n) {
  while (n > 0) {
    const ssize_t got = read(fd, to, n);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    to += got;
    n -= static_cast<size_t>(got);
  }
  return true;
}

bool write_all(int fd, const char* from, size_t n) {
  while (n > 0) {
    const ssize_t put = write(fd, from, n);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    from += put;
    n -= static_cast<size_t>(put);
  }
  return true;
}

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text.data(), text.size())); }

// Field by field: structures have padding.
class Bytes {
 public:
  template <class... Fields>
  void add(Fields... fields) {
    ((text_.append(reinterpret_cast<const char*>(&fields), sizeof fields)), ...);
  }
  std::string text_;
};

std::string key_of(const std::string& stamp, const Kernel& k) {
  Bytes b;
  b.text_.reserve(stamp.size() + 64 + 4 * k.buffers.size() + 40 * k.nodes.size() + 8 * k.stores.size());
  b.text_ = stamp;
  b.text_ += '\0';
  // By structured bindings: a field that is added and not named here does not compile.
  const auto& [rank, reduction, clip, scalars, buffers, nodes, stores] = k;
  b.add(rank, reduction, clip, scalars, uint64_t{buffers.size()}, uint64_t{nodes.size()}, uint64_t{stores.size()});
  for (const auto& [dtype, written, inner, reduced, gathered] : buffers) b.add(dtype, written, inner, reduced, gathered);
  for (const auto& [kind, prim, dtype, slot, operands, bits] : nodes)
    b.add(kind, prim, dtype, slot, operands[0], operands[1], operands[2], bits);
  for (const auto& [buffer, value] : stores) b.add(buffer, value);
  return std::move(b.text_);
}

std::string name_of(const std::string& key) { return hash_of(bytes_of(key)) + kSuffix; }

// A whole file's entry; nullopt unless everything about it is as it was written.
std::optional<CacheEntry> parse(const std::string& file, const std::string& key) {
  Header h;
  if (file.size() < sizeof h) return std::nullopt;
  std::memcpy(&h, file.data(), sizeof h);
  if (std::memcmp(h.magic, kMagic, sizeof h.magic) != 0) return std::nullopt;
  if (h.key_bytes != key.size() || h.image_bytes != file.size() - sizeof h - key.size()) return std::nullopt;
  if (file.compare(sizeof h, key.size(), key) != 0) return std::nullopt;
  if (hash_of(bytes_of(file).subspan(kUnchecked)) != std::string_view(h.checksum, sizeof h.checksum)) return std::nullopt;
  if (h.verdict > static_cast<uint32_t>(Verdict::asmjit)) return std::nullopt;
  CacheEntry entry{static_cast<Verdict>(h.verdict), h.ratio, {}};
  if ((entry.verdict == Verdict::asmjit) != (h.image_bytes == 0)) return std::nullopt;
  const auto image = bytes_of(file).subspan(sizeof h + key.size());
  entry.image.bytes.assign(image.begin(), image.end());
  return entry;
}

}  // namespace

DiskCache::DiskCache(std::string folder, std::string stamp, int64_t bytes)
    : folder_(std::move(folder)), stamp_(std::move(stamp)), limit_(bytes) {}

std::optional<CacheEntry> DiskCache::find(const Kernel& kernel) {
  const File folder(open_folder(folder_));
  if (!folder) return ++misses_, std::nullopt;
  const std::string key = key_of(stamp_, kernel);
  const File file(openat(folder.fd(), name_of(key).c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file) return ++misses_, std::nullopt;
  struct stat s;
  std::string contents;
  if (is_private(file.fd(), S_IFREG, s) && s.st_size <= kLargest) {
    contents.resize(static_cast<size_t>(s.st_size));
    if (!read_all(file.fd(), contents.data(), contents.size())) contents.clear();
  }
  std::optional<CacheEntry> entry = parse(contents, key);
  ++(entry ? hits_ : rejected_);
  if (entry && std::time(nullptr) - s.st_mtime > kTouchAfter) futimens(file.fd(), nullptr);
  return entry;
}

void DiskCache::store(const Kernel& kernel, const CacheEntry& entry) {
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(folder_).parent_path(), ignored);
  mkdir(folder_.c_str(), 0700);
  const File folder(open_folder(folder_));
  const std::string key = key_of(stamp_, kernel);
  Header h{};
  std::memcpy(h.magic, kMagic, sizeof h.magic);
  h.verdict = static_cast<uint32_t>(entry.verdict);
  h.ratio = entry.ratio;
  h.key_bytes = key.size();
  h.image_bytes = entry.image.bytes.size();
  std::string contents(reinterpret_cast<const char*>(&h), sizeof h);
  contents += key;
  contents.append(reinterpret_cast<const char*>(entry.image.bytes.data()), entry.image.bytes.size());
  const std::string sum = hash_of(bytes_of(contents).subspan(kUnchecked));
  sum.copy(contents.data() + offsetof(Header, checksum), sizeof h.checksum);

  const auto size = static_cast<int64_t>(contents.size());
  bool stored = false;
  if (folder && size <= std::min(limit_.load(), kLargest)) {
    make_room(folder.fd(), size);
    const std::string name = name_of(key), draft = name + "." + std::to_string(getpid()) + kDraftSuffix;
    {
      const File file(openat(folder.fd(), draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
      stored = file && write_all(file.fd(), contents.data(), contents.size());
    }
    stored = stored && renameat(folder.fd(), draft.c_str(), folder.fd(), name.c_str()) == 0;
    if (!stored) unlinkat(folder.fd(), draft.c_str(), 0);
  }
  if (stored) size_ += size;
  ++(stored ? stores_ : failed_stores_);
}

// Counts what is there at first, and again whenever it seems to be too much: other processes store and delete as well.
void DiskCache::make_room(int folder, int64_t incoming) {
  if (size_ >= 0 && size_ + incoming <= limit_) return;
  struct Found {
    std::string name;
    int64_t size, used;
  };
  std::vector<Found> files;
  size_ = 0;
  DIR* listing = fdopendir(openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (listing == nullptr) return;
  const int64_t now = std::time(nullptr);
  while (const dirent* item = readdir(listing)) {
    struct stat s;
    const std::string name = item->d_name;
    const bool draft = name.ends_with(kDraftSuffix);
    if ((!draft && !name.ends_with(kSuffix)) || fstatat(folder, name.c_str(), &s, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (draft && now - s.st_mtime > kDraftsDieAfter) unlinkat(folder, name.c_str(), 0);
    if (draft) continue;
    files.push_back({name, s.st_size, s.st_mtim.tv_sec * 1'000'000'000 + s.st_mtim.tv_nsec});
    size_ += s.st_size;
  }
  closedir(listing);
  if (size_ + incoming <= limit_) return;
  // A quarter more than is needed, so that it is not needed again at once.
  std::ranges::sort(files, {}, &Found::used);
  for (const Found& file : files) {
    if (size_ + incoming <= limit_ - limit_ / 4) break;
    if (unlinkat(folder, file.name.c_str(), 0) == 0) ++evictions_;
    size_ -= file.size;
  }
}

CacheCounters DiskCache::counters() const { return {hits_, misses_, rejected_, stores_, failed_stores_, evictions_}; }

namespace {

// A relative path would be another folder after a chdir(); XDG's specification has such variables ignored.
std::filesystem::path absolute(const char* variable) {
  const char* text = std::getenv(variable);
  return text != nullptr && *text == '/' ? std::filesystem::path(text) : std::filesystem::path();
}

std::filesystem::path cache_root() {
  std::error_code none;  // there may be no current folder
  if (const std::string chosen = text(Tunable::cache_dir); !chosen.empty()) return std::filesystem::absolute(chosen, none);
  if (const auto xdg = absolute("XDG_CACHE_HOME"); !xdg.empty()) return xdg / "kiln";
  if (const auto home = absolute("HOME"); !home.empty()) return home / ".cache/kiln";
  return {};
}

// All that decides what LLVM's code is, or which tier's is faster, beside the kernel.
std::string stamp() {
  unsigned model = 0, unused = 0;
  __get_cpuid(1, &model, &unused, &unused, &unused);
  return "kiln " KILN_VERSION ", abi " + std::to_string(kAbiVersion) + ", compiler " + llvm_library_id() + ", isa " +
         std::to_string(static_cast<int>(isa())) + ", cpu " + std::to_string(model) + ", cache " + std::to_string(last_level_cache_bytes());
}

}  // namespace

DiskCache* disk_cache() {
  const int64_t limit = value(Tunable::disk_cache_mb) << 20;
  if (limit == 0) return nullptr;
  static DiskCache* const cache = [&]() -> DiskCache* {
    const std::filesystem::path root = cache_root();
    if (root.empty() || llvm_library_id().empty()) return nullptr;
    return std::make_unique<DiskCache>((root / "code").string(), stamp(), limit).release();  // used until the process ends
  }();
  if (cache != nullptr) cache->limit(limit);
  return cache;
}

}  // namespace kiln::codegen
