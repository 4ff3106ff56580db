// map: lines of address, size and name in /tmp/perf-PID.map, which `perf report` reads by itself (linux, tools/perf/Documentation/jit-interface.txt).
// jitdump: a file with the code as well, so that `perf annotate` works and addresses may be used again (tools/perf/Documentation/
// jitdump-specification.txt). `perf record` notices that the process maps a page of it executable; `perf inject --jit` does the rest.
#include "codegen/perf_names.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "codegen/error.h"
#include "codegen/tunables.h"

namespace kiln::codegen::perf {
namespace {

enum class Form : uint8_t { none, map, jitdump };

Form form() {
  static const Form form = [] {
    const std::string asked = text(Tunable::perf);
    if (asked.empty() || asked == "0") return Form::none;
    if (asked == "map") return Form::map;
    if (asked == "jitdump") return Form::jitdump;
    fail(ErrorCode::value, "KILN_PERF is '" + asked + "', which is not map or jitdump");
  }();
  return form;
}

uint64_t now() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(t.tv_nsec);
}

struct FileHeader {
  uint32_t magic = 0x4A695444, version = 1, size = sizeof(FileHeader), machine = EM_X86_64, unused = 0, pid = 0;
  uint64_t timestamp = 0, flags = 0;
};
static_assert(sizeof(FileHeader) == 40);

struct LoadRecord {
  uint32_t id = 0, size = 0;  // id 0: JIT_CODE_LOAD
  uint64_t timestamp = 0;
  uint32_t pid = 0, tid = 0;
  uint64_t address = 0, code_address = 0, code_size = 0, index = 0;
};
static_assert(sizeof(LoadRecord) == 56);

// The open file. A profile is a help: where it cannot be written, nothing is.
FILE* file = nullptr;
bool tried = false;
uint64_t index = 0;

void open_file() {
  tried = true;
  const bool dump = form() == Form::jitdump;
  const std::string path = (dump ? "/tmp/jit-" : "/tmp/perf-") + std::to_string(getpid()) + (dump ? ".dump" : ".map");
  unlink(path.c_str());  // of a process that had this number before; another user's stays, and is not opened
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return;
  file = fdopen(fd, "w");
  if (file == nullptr || !dump) return;
  FileHeader header;
  header.pid = static_cast<uint32_t>(getpid());
  header.timestamp = now();
  std::fwrite(&header, sizeof header, 1, file);
  std::fflush(file);
  // For `perf record` to see; never used.
  if (mmap(nullptr, static_cast<size_t>(sysconf(_SC_PAGESIZE)), PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED) {
    std::fclose(file);
    file = nullptr;
  }
}

}  // namespace

void tell(const Code& code, const std::string& name) {
  if (form() == Form::none) return;
  if (!tried) open_file();
  if (file == nullptr) return;
  if (form() == Form::map) {
    std::fprintf(file, "%llx %zx %s\n", reinterpret_cast<unsigned long long>(code.function), code.bytes, name.c_str());
  } else {
    LoadRecord record;
    record.size = static_cast<uint32_t>(sizeof record + name.size() + 1 + code.bytes);
    record.timestamp = now();
    record.pid = static_cast<uint32_t>(getpid());
    record.tid = static_cast<uint32_t>(syscall(SYS_gettid));
    record.address = record.code_address = reinterpret_cast<uint64_t>(code.function);
    record.code_size = code.bytes;
    record.index = index++;
    std::fwrite(&record, sizeof record, 1, file);
    std::fwrite(name.c_str(), name.size() + 1, 1, file);
    std::fwrite(reinterpret_cast<const void*>(code.function), code.bytes, 1, file);
  }
  std::fflush(file);
}

void start_again() {
  file = nullptr;  // the parent's; its buffer is empty
  tried = false;
  index = 0;
}

}  // namespace kiln::codegen::perf
