#include "codegen/cuda/driver.h"

#include <dlfcn.h>

#include "codegen/error.h"

namespace kiln::codegen::cuda {
namespace {

// Empty where there is a driver with a device.
std::string missing() {
  void* library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return "there is no NVIDIA driver on this machine (" + std::string(dlerror()) + ")";
  const auto init = reinterpret_cast<int (*)(unsigned)>(dlsym(library, "cuInit"));
  const auto count = reinterpret_cast<int (*)(int*)>(dlsym(library, "cuDeviceGetCount"));
  if (init == nullptr || count == nullptr) return "libcuda.so.1 is not NVIDIA's driver: it lacks cuInit";
  int devices = 0;
  if (const int result = init(0); result != 0)
    return "the NVIDIA driver finds no usable device (cuInit gives error " + std::to_string(result) + ")";
  if (count(&devices) != 0 || devices == 0) return "the NVIDIA driver finds no device";
  return {};
}

constexpr const char* kRemedy =
    "kernels run on the CPU when no device or back end is named, and f.lower(...).as_text(\"cuda\") shows their CUDA source";

}  // namespace

void refuse_device(const std::string& what) {
  const std::string why = missing();
  if (!why.empty()) fail(ErrorCode::runtime, what + ": " + why + "; " + kRemedy);
  fail(ErrorCode::not_implemented, what + ": this version prints CUDA kernels and does not launch them yet; " + kRemedy);
}

}  // namespace kiln::codegen::cuda
