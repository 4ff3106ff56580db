// Kernels that wait for the background compiler, hottest first. It does not keep them alive: what nobody holds is not compiled.
#pragma once

#include <memory>
#include <vector>

#include "codegen/compiler.h"

namespace kiln::codegen {

class HeatQueue {
 public:
  void push(std::weak_ptr<CompiledKernel> kernel) { waiting_.push_back(std::move(kernel)); }
  bool empty() const { return waiting_.empty(); }
  void clear() { waiting_.clear(); }

  // Takes out the hottest kernel as of now, and those that are gone, which `gone` counts. Null where none is left. The caller's locks must
  // not be needed by a kernel's destructor other than the kernel cache's own: it may hold the last reference.
  std::shared_ptr<CompiledKernel> take_hottest(uint64_t& gone) {
    std::shared_ptr<CompiledKernel> hottest;
    std::erase_if(waiting_, [&](const std::weak_ptr<CompiledKernel>& waiting) {
      std::shared_ptr<CompiledKernel> kernel = waiting.lock();
      if (kernel == nullptr) return ++gone, true;
      if (hottest == nullptr || kernel->heat > hottest->heat) hottest.swap(kernel);
      return false;
    });
    std::erase_if(waiting_, [&](const std::weak_ptr<CompiledKernel>& waiting) {
      return !waiting.owner_before(hottest) && !hottest.owner_before(waiting);
    });
    return hottest;
  }

  template <class Do>
  void for_each(Do&& act) const {
    for (const auto& waiting : waiting_)
      if (const auto kernel = waiting.lock()) act(*kernel);
  }

 private:
  std::vector<std::weak_ptr<CompiledKernel>> waiting_;
};

}  // namespace kiln::codegen
