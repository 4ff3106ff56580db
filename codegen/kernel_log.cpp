#include "codegen/kernel_log.h"

#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "codegen/error.h"

namespace kiln::codegen {

void log_kernel(const Kernel& kernel) {
  static const char* const folder = std::getenv("KILN_KERNEL_LOG");
  if (folder == nullptr || *folder == '\0') return;
  namespace fs = std::filesystem;
  char name[32];
  std::snprintf(name, sizeof name, "%016llx.kernel", static_cast<unsigned long long>(hash(kernel)));
  std::error_code error;
  const fs::path file = fs::path(folder) / name;
  if (fs::exists(file, error)) return;
  fs::create_directories(folder, error);
  // Under a name of this thread's own first, so that nobody reads half a file.
  static std::atomic<int> count{0};
  const fs::path draft = file.string() + "." + std::to_string(getpid()) + "." + std::to_string(count++);
  if (!(std::ofstream(draft) << print(kernel)).flush()) fail(ErrorCode::io, "KILN_KERNEL_LOG: cannot write " + draft.string());
  fs::rename(draft, file, error);
}

}  // namespace kiln::codegen
