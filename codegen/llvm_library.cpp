// Opens libkiln_llvm.so: static LLVM costs memory and milliseconds, so it is loaded when a kernel first needs it.
#include <dlfcn.h>

#include "codegen/backend.h"
#include "codegen/tunables.h"

namespace kiln::codegen {
namespace {

struct Library {
  Backend* backend = nullptr;
  std::string why;
};

std::string beside_this_library() {
  Dl_info here{};
  if (dladdr(reinterpret_cast<const void*>(&interpreter_backend), &here) == 0 || here.dli_fname == nullptr) return "libkiln_llvm.so";
  const std::string path = here.dli_fname;
  const size_t slash = path.rfind('/');
  return (slash == std::string::npos ? "" : path.substr(0, slash + 1)) + "libkiln_llvm.so";
}

Library open_library() {
  std::string path = text(Tunable::llvm);
  if (path == "off") return {nullptr, "KILN_LLVM is off"};
  if (path.empty()) path = beside_this_library();
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return {nullptr, dlerror()};
  void* create = dlsym(library, "kiln_llvm_create");
  if (create == nullptr) return {nullptr, path + " is not Kiln's LLVM library: it has no kiln_llvm_create"};
  Backend* backend = reinterpret_cast<Backend* (*)()>(create)();
  return {backend, backend ? "" : path + " does not support this machine"};
}

}  // namespace

Backend* llvm_backend(std::string* why) {
  static const Library library = open_library();
  if (why) *why = library.why;
  return library.backend;
}

}  // namespace kiln::codegen
