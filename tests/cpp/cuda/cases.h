// A kernel case run by the interpreter and under emulation, and what both leave in memory.
#pragma once

#include <string>
#include <vector>

#include "../codegen/random_kernel.h"
#include "codegen/abi.h"
#include "codegen/backend.h"

namespace kiln::codegen::cuda::testing {

using codegen::testing::KernelCase;

// A case's memory before a kernel runs, at addresses that are vectors' or not, and the arguments for it.
class Memory {
 public:
  explicit Memory(const KernelCase& c) {
    for (size_t i = 0; i < c.arenas.size(); ++i) {
      const size_t off = (c.seed + i) % 4 == 3 ? 8 : 0;
      pieces_.emplace_back(c.arenas[i].size() + 64 + off);
      auto at = reinterpret_cast<uintptr_t>(pieces_.back().data());
      arenas_.push_back(pieces_.back().data() + ((63 - (at + 63) % 64) + off));
      std::copy(c.arenas[i].begin(), c.arenas[i].end(), arenas_.back());
      sizes_.push_back(c.arenas[i].size());
    }
    for (const KernelCase::Placement& p : c.buffers) {
      pointers_.push_back(arenas_[p.arena] + p.offset);
      strides_.insert(strides_.end(), p.strides.begin(), p.strides.end());
    }
    args_ = {pointers_.data(), strides_.data(), c.extents.data(), c.scalars.data(), c.clip_total, nullptr, nullptr, nullptr};
  }
  Memory(const Memory&) = delete;
  Args& args() { return args_; }
  std::vector<std::vector<std::byte>> contents() const {
    std::vector<std::vector<std::byte>> all;
    for (size_t i = 0; i < arenas_.size(); ++i) all.emplace_back(arenas_[i], arenas_[i] + sizes_[i]);
    return all;
  }

 private:
  std::vector<std::vector<std::byte>> pieces_;
  std::vector<std::byte*> arenas_;
  std::vector<size_t> sizes_;
  std::vector<void*> pointers_;
  std::vector<int64_t> strides_;
  Args args_{};
};

inline std::vector<std::vector<std::byte>> interpreted(const KernelCase& c) {
  Memory memory(c);
  const auto code = interpreter_backend().compile(c.kernel, isa());
  memory.args().self = code->self;
  code->function(&memory.args(), 0, block_count(c.kernel, c.extents.data()));
  return memory.contents();
}

}  // namespace kiln::codegen::cuda::testing
