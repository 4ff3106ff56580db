// A vector that takes over the memory of the last one of its kind that died on this thread: compiling a kernel asks for a dozen, each time
// as large as the time before.
#pragma once

#include <utility>
#include <vector>

namespace kiln::codegen::x64 {

template <class T>
class Recycled : public std::vector<T> {
 public:
  Recycled() : std::vector<T>(std::move(spare())) { this->clear(); }
  Recycled(const Recycled& o) : Recycled() { this->assign(o.begin(), o.end()); }
  Recycled& operator=(const Recycled&) = default;
  ~Recycled() {
    if (this->capacity() > spare().capacity()) this->swap(spare());
  }

 private:
  static std::vector<T>& spare() {
    static thread_local std::vector<T> spare;
    return spare;
  }
};

}  // namespace kiln::codegen::x64
