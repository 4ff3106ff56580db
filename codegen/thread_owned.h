// A thread's own large things, on the heap.
//
// Thread-local storage itself is kept small. What every call of an operator looks at there has the attribute tls_model("initial-exec"): its place
// is known when the library is loaded (ELF TLS), where asking for it takes a call of some nanoseconds, thirty times for a captured function of
// four operators. In return all of a library's thread-local storage has to fit in the room that the loader keeps for libraries that come
// later, about 1.5 KiB for all of them.
#pragma once

#include <cxxabi.h>

#include <memory>

extern "C" __attribute__((visibility("hidden"))) void* __dso_handle;  // the library itself, whose code ends its threads' things

namespace kiln::codegen {

// Made when a thread first asks for it, destroyed as the thread ends: also what a destructor asks for that comes later than the first one's
// end. (Hence not a thread_local object, which is not made a second time, but the ABI's own list of what to call; Itanium C++ ABI, 3.3.6.)
template <class T>
T& thread_owned() {
  static thread_local constinit T* own = nullptr;
  if (own == nullptr) [[unlikely]] {
    own = std::make_unique<T>().release();
    const auto end = [](void* ended) {
      own = nullptr;
      delete static_cast<T*>(ended);
    };
    __cxxabiv1::__cxa_thread_atexit(end, own, &__dso_handle);
  }
  return *own;
}

}  // namespace kiln::codegen
