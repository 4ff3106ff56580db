#include "codegen/cuda/nvrtc.h"

#include <dlfcn.h>

#include <filesystem>
#include <iterator>
#include <memory>
#include <mutex>
#include <type_traits>

#include "codegen/error.h"
#include "codegen/tunables.h"

namespace kiln::codegen::cuda {
namespace {

std::mutex path_mutex;
std::string& given_path() {
  static std::string& path = *std::make_unique<std::string>().release();
  return path;
}

// The functions in use, declared here so that no header of CUDA's is needed to build. A result other than 0 is an error.
using Program = struct NvrtcProgram*;
struct Api {
  int (*create)(Program*, const char* source, const char* name, int headers, const char* const*, const char* const*);
  int (*compile)(Program, int options, const char* const*);
  int (*destroy)(Program*);
  int (*log_size)(Program, size_t*);
  int (*log)(Program, char*);
  int (*ptx_size)(Program, size_t*);
  int (*ptx)(Program, char*);
  int (*cubin_size)(Program, size_t*);
  int (*cubin)(Program, char*);
  const char* (*error)(int);
};

// Opened once and never closed. A failure is kept, with its reason.
struct Library {
  std::unique_ptr<const Api> api;
  std::string why_not;
};

void* open_library(std::string& why) {
  std::string given;
  {
    const std::lock_guard lock(path_mutex);
    given = given_path();
  }
  const std::string candidates[] = {text(Tunable::nvrtc), given, "libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"};
  for (const std::string& path : candidates) {
    if (path.empty()) continue;
    if (void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
    why += (why.empty() ? "" : "; ") + std::string(dlerror());
  }
  return nullptr;
}

// NVRTC opens libnvrtc-builtins.so by name alone, which finds the one beside it only where that is loaded already.
void open_builtins(void* function) {
  Dl_info info{};
  if (dladdr(function, &info) == 0 || info.dli_fname == nullptr) return;
  std::error_code ignored;
  for (const auto& file : std::filesystem::directory_iterator(std::filesystem::path(info.dli_fname).parent_path(), ignored))
    if (file.path().filename().string().starts_with("libnvrtc-builtins.so")) dlopen(file.path().c_str(), RTLD_NOW | RTLD_LOCAL);
}

const Library& library() {
  static const Library& instance = *[] {
    auto made = std::make_unique<Library>();
    void* handle = open_library(made->why_not);
    if (handle == nullptr) return made.release();
    auto api = std::make_unique<Api>();
    const auto find = [&](auto& function, const char* name) {
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(handle, name));
      if (function == nullptr) made->why_not = std::string("it lacks ") + name;
    };
    find(api->create, "nvrtcCreateProgram");
    find(api->compile, "nvrtcCompileProgram");
    find(api->destroy, "nvrtcDestroyProgram");
    find(api->log_size, "nvrtcGetProgramLogSize");
    find(api->log, "nvrtcGetProgramLog");
    find(api->ptx_size, "nvrtcGetPTXSize");
    find(api->ptx, "nvrtcGetPTX");
    find(api->cubin_size, "nvrtcGetCUBINSize");
    find(api->cubin, "nvrtcGetCUBIN");
    find(api->error, "nvrtcGetErrorString");
    const bool complete = api->create && api->compile && api->destroy && api->log_size && api->log && api->ptx_size && api->ptx &&
                          api->cubin_size && api->cubin && api->error;
    if (complete) open_builtins(reinterpret_cast<void*>(api->create));
    if (complete) made->api = std::move(api);
    return made.release();
  }();
  return instance;
}

const Api& api() {
  const Library& l = library();
  if (l.api == nullptr)
    fail(ErrorCode::runtime,
         "compiling CUDA source needs NVRTC: pip install nvidia-cuda-nvrtc, or set KILN_NVRTC to libnvrtc.so (" + l.why_not + ")");
  return *l.api;
}

// A result of the library: its size, then its bytes.
std::string read(Program program, int (*size_of)(Program, size_t*), int (*get)(Program, char*)) {
  size_t size = 0;
  if (size_of(program, &size) != 0 || size == 0) return {};
  std::string bytes(size, '\0');
  if (get(program, bytes.data()) != 0) return {};
  return bytes;
}

struct Destroy {
  void operator()(Program program) const { api().destroy(&program); }
};

}  // namespace

void set_nvrtc_path(const std::string& path) {
  const std::lock_guard lock(path_mutex);
  given_path() = path;
}

Compiled compile(const std::string& source, int architecture) {
  const Api& a = api();
  Program made = nullptr;
  const auto require = [&](int result, const char* what) {
    if (result != 0) fail(ErrorCode::runtime, std::string("NVRTC could not ") + what + ": " + a.error(result));
  };
  require(a.create(&made, source.c_str(), "kernel.cu", 0, nullptr, nullptr), "take a program");
  const std::unique_ptr<NvrtcProgram, Destroy> program(made);
  const std::string target = "--gpu-architecture=sm_" + std::to_string(architecture);
  const char* const options[] = {target.c_str(), "--std=c++17", "--fmad=false", "--ftz=false", "--prec-div=true", "--prec-sqrt=true"};
  if (const int result = a.compile(made, static_cast<int>(std::size(options)), options); result != 0)
    fail(ErrorCode::runtime, "NVRTC refused a kernel for " + target + ": " + a.error(result) + "\n" + read(made, a.log_size, a.log));
  Compiled out{read(made, a.ptx_size, a.ptx), read(made, a.cubin_size, a.cubin)};
  if (!out.ptx.empty()) out.ptx.pop_back();  // the terminating zero
  return out;
}

}  // namespace kiln::codegen::cuda
