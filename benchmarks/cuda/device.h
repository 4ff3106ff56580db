// The first NVIDIA device, through the driver's own interface, opened at run time. Failures throw std::runtime_error.
#pragma once

#include <dlfcn.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace kiln::benchmark {

class Device {
 public:
  using Function = struct CUfunc_st*;

  Device() {
    void* library = dlopen("libcuda.so.1", RTLD_NOW);
    if (library == nullptr) throw std::runtime_error("there is no NVIDIA driver: " + std::string(dlerror()));
    const auto find = [&](auto& function, const char* name) {
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
      if (function == nullptr) throw std::runtime_error(std::string("libcuda.so.1 lacks ") + name);
    };
    find(error_name_, "cuGetErrorName");
    find(init_, "cuInit");
    find(driver_version_, "cuDriverGetVersion");
    find(get_, "cuDeviceGet");
    find(get_name_, "cuDeviceGetName");
    find(attribute_, "cuDeviceGetAttribute");
    find(retain_, "cuDevicePrimaryCtxRetain");
    find(set_current_, "cuCtxSetCurrent");
    find(synchronise_, "cuCtxSynchronize");
    find(load_, "cuModuleLoadData");
    find(function_, "cuModuleGetFunction");
    find(allocate_, "cuMemAlloc_v2");
    find(release_, "cuMemFree_v2");
    find(upload_, "cuMemcpyHtoD_v2");
    find(download_, "cuMemcpyDtoH_v2");
    find(copy_, "cuMemcpyDtoDAsync_v2");
    find(launch_, "cuLaunchKernel");
    find(event_create_, "cuEventCreate");
    find(event_record_, "cuEventRecord");
    find(event_synchronise_, "cuEventSynchronize");
    find(event_elapsed_, "cuEventElapsedTime");

    require(init_(0), "start the driver");
    int device = 0;
    require(get_(&device, 0), "find a device");
    char name[256] = "";
    require(get_name_(name, sizeof name, device), "name the device");
    name_ = name;
    require(driver_version_(&driver_), "tell the driver's version");
    int major = 0, minor = 0;
    require(attribute_(&major, kMajor, device), "tell the architecture");
    require(attribute_(&minor, kMinor, device), "tell the architecture");
    architecture_ = 10 * major + minor;
    Context context = nullptr;
    require(retain_(&context, device), "make a context");
    require(set_current_(context), "make a context current");
    require(event_create_(&begin_, 0), "make an event");
    require(event_create_(&end_, 0), "make an event");
  }
  Device(const Device&) = delete;

  const std::string& name() const { return name_; }
  int driver() const { return driver_; }
  int architecture() const { return architecture_; }

  // The function of a CUBIN; its module stays loaded.
  Function load(const std::string& cubin) const {
    Module module = nullptr;
    require(load_(&module, cubin.data()), "load a CUBIN");
    Function function = nullptr;
    require(function_(&function, module, "kiln_kernel"), "find a kernel");
    return function;
  }

  uint64_t allocate(uint64_t bytes) const {
    uint64_t address = 0;
    require(allocate_(&address, bytes == 0 ? 1 : bytes), "allocate memory");
    return address;
  }
  void release(uint64_t address) const { release_(address); }
  void upload(uint64_t to, const void* from, uint64_t bytes) const {
    if (bytes > 0) require(upload_(to, from, bytes), "copy to the device");
  }
  void download(void* to, uint64_t from, uint64_t bytes) const {
    if (bytes > 0) require(download_(to, from, bytes), "copy from the device");
  }
  void copy(uint64_t to, uint64_t from, uint64_t bytes) const { require(copy_(to, from, bytes, nullptr), "copy on the device"); }

  void launch(Function function, unsigned grid, unsigned block_x, unsigned block_y, unsigned shared_bytes, void* parameter) const {
    void* parameters[] = {parameter};
    require(launch_(function, grid, 1, 1, block_x, block_y, 1, shared_bytes, nullptr, parameters, nullptr), "launch a kernel");
  }
  void synchronise() const { require(synchronise_(), "run a kernel"); }

  // Between the first and the last thing that `enqueue` hands to the device.
  template <class Enqueue>
  double milliseconds(const Enqueue& enqueue) const {
    require(event_record_(begin_, nullptr), "record an event");
    enqueue();
    require(event_record_(end_, nullptr), "record an event");
    require(event_synchronise_(end_), "run a kernel");
    float elapsed = 0;
    require(event_elapsed_(&elapsed, begin_, end_), "tell the time");
    return elapsed;
  }

 private:
  // As cuda.h has them.
  using Context = struct CUctx_st*;
  using Module = struct CUmod_st*;
  using Event = struct CUevent_st*;
  static constexpr int kMajor = 75, kMinor = 76;  // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*

  void require(int result, const char* what) const {
    if (result == 0) return;
    const char* name = nullptr;
    error_name_(result, &name);
    throw std::runtime_error(std::string("the device could not ") + what + ": " + (name ? name : std::to_string(result)));
  }

  int (*error_name_)(int, const char**);
  int (*init_)(unsigned);
  int (*driver_version_)(int*);
  int (*get_)(int*, int);
  int (*get_name_)(char*, int, int);
  int (*attribute_)(int*, int, int);
  int (*retain_)(Context*, int);
  int (*set_current_)(Context);
  int (*synchronise_)();
  int (*load_)(Module*, const void*);
  int (*function_)(Function*, Module, const char*);
  int (*allocate_)(uint64_t*, size_t);
  int (*release_)(uint64_t);
  int (*upload_)(uint64_t, const void*, size_t);
  int (*download_)(void*, uint64_t, size_t);
  int (*copy_)(uint64_t, uint64_t, size_t, void*);
  int (*launch_)(Function, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void*, void**, void**);
  int (*event_create_)(Event*, unsigned);
  int (*event_record_)(Event, void*);
  int (*event_synchronise_)(Event);
  int (*event_elapsed_)(float*, Event, Event);
  std::string name_;
  int driver_ = 0, architecture_ = 0;
  Event begin_ = nullptr, end_ = nullptr;
};

}  // namespace kiln::benchmark
