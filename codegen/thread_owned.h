// A thread's own large things, on the heap.
//
// Thread-local storage itself is kept small. What every call of an operator looks at there has the attribute tls_model("initial-exec"): its place
// is known when the library is loaded (ELF TLS), where asking for it takes a call of some nanoseconds, thirty times for a captured function of
// four operators. In return all of a library's thread-local storage has to fit in the room that the loader keeps for libraries that come
// later, about 1.5 KiB for all of them.
#pragma once

#include <memory>

namespace kiln::codegen {

// Made when a thread first asks for it, destroyed as the thread ends.
template <class T>
T& thread_owned() {
  static thread_local constinit T* own = nullptr;
  static thread_local constinit bool over = false;
  struct Owner {
    std::unique_ptr<T> value;
    ~Owner() { own = nullptr, over = true; }
  };
  if (own == nullptr) [[unlikely]] {
    auto made = std::make_unique<T>();
    own = made.get();
    static thread_local Owner owner;
    if (over) made.release();  // asked for by a destructor that comes later: kept to the end of the process
    else owner.value = std::move(made);
  }
  return *own;
}

}  // namespace kiln::codegen
