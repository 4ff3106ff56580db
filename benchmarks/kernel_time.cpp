// What one launch of a kernel on little data costs, by each back end: a file of kernels as `as_text("kernels")` prints them, one launch after the
// other on the same arrays, and where one waits for what the one before has stored.
//   kiln_kernel_time FILE [ELEMENTS of the last dimension = 8]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <memory>
#include <sstream>
#include <vector>

#include "codegen/backend.h"
#include "codegen/compiler.h"
#include "codegen/mxcsr.h"

namespace {

namespace codegen = kiln::codegen;
using kiln::DType;

constexpr int kLaunches = 2000, kTries = 200;

// Arrays of ones for a kernel; with `chained`, a written buffer is one that is read, of its dtype and stride, where there is one.
class Arrays {
 public:
  Arrays(const codegen::Kernel& k, int64_t elements, bool chained) : extents_(k.rank, 1), scalars_(k.scalars) {
    extents_.back() = elements;
    for (const codegen::Node& n : k.nodes)
      if (n.kind == codegen::NodeKind::scalar) scalars_[n.slot] = one(n.dtype);
    for (size_t b = 0; b < k.buffers.size(); ++b) {
      const codegen::Buffer& buffer = k.buffers[b];
      memory_.emplace_back(static_cast<std::byte*>(std::aligned_alloc(64, static_cast<size_t>(elements + 64) * 64)));
      for (int64_t i = 0; i < elements; ++i) {
        const uint64_t bits = one(buffer.dtype);
        std::copy_n(reinterpret_cast<const std::byte*>(&bits), size_of(buffer.dtype), memory_.back().get() + i * size_of(buffer.dtype));
      }
      pointers_.push_back(memory_.back().get());
      for (int d = 0; d < k.rank; ++d)
        strides_.push_back(d + 1 == k.rank && buffer.inner != codegen::Stride::zero ? size_of(buffer.dtype) : 0);
    }
    if (!chained) return;
    std::vector<bool> taken(k.buffers.size(), false);
    for (size_t to = 0; to < k.buffers.size(); ++to)
      for (size_t from = 0; from < to; ++from) {
        if (!k.buffers[to].written || k.buffers[from].written || taken[from]) continue;
        if (k.buffers[to].dtype != k.buffers[from].dtype || k.buffers[to].inner != k.buffers[from].inner) continue;
        pointers_[to] = pointers_[from];
        taken[from] = true;
        break;
      }
  }
  codegen::Args args(const codegen::Code& code) const {
    codegen::Args a{};
    a.pointers = pointers_.data(), a.strides = strides_.data(), a.extents = extents_.data(), a.scalars = scalars_.data();
    a.self = code.self;
    return a;
  }

 private:
  static uint64_t one(DType t) {
    return t == DType::F32 ? 0x3f800000 : t == DType::F64 ? 0x3ff0000000000000 : t == DType::F16 ? 0x3c00 : t == DType::BF16 ? 0x3f80 : 1;
  }
  struct Free {
    void operator()(std::byte* p) const { std::free(p); }
  };
  std::vector<std::unique_ptr<std::byte, Free>> memory_;
  std::vector<void*> pointers_;
  std::vector<int64_t> strides_, extents_;
  std::vector<uint64_t> scalars_;
};

double nanoseconds(const codegen::Code& code, const codegen::Args& args) {
  double best = 1e9;
  for (int i = 0; i < kTries; ++i) {
    const auto start = std::chrono::steady_clock::now();
    for (int j = 0; j < kLaunches; ++j) code.function(&args, 0, 1);
    best = std::min(best, std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count() / kLaunches);
  }
  return best;
}

// Kernels of a text, which empty lines and remarks part.
std::vector<codegen::Kernel> kernels(std::istream& in) {
  std::vector<codegen::Kernel> all;
  std::string text, line;
  const auto finish = [&] {
    if (!text.empty()) all.push_back(codegen::parse(text));
    text.clear();
  };
  while (std::getline(in, line)) {
    if (line.empty() || line[0] == '#') finish();
    else text += line + "\n";
  }
  finish();
  return all;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s FILE [ELEMENTS]\n", argv[0]);
    return 2;
  }
  std::ifstream file(argv[1]);
  const int64_t elements = argc > 2 ? std::atoll(argv[2]) : 8;
  const codegen::DefaultMxcsr mxcsr;
  for (const codegen::Kernel& k : kernels(file)) {
    std::printf("kernel of %zu nodes, %zu buffers:\n", k.nodes.size(), k.buffers.size());
    for (codegen::Backend* backend : {&codegen::asmjit_backend(), codegen::llvm_backend()}) {
      const auto code = backend ? backend->compile(k, codegen::isa()) : nullptr;
      if (!code) continue;
      const Arrays apart(k, elements, false), chained(k, elements, true);
      std::printf("  %-7s %7.1f ns, each waiting for the one before %7.1f ns\n", std::string(name_of(backend->kind())).c_str(),
                  nanoseconds(*code, apart.args(*code)), nanoseconds(*code, chained.args(*code)));
    }
  }
}
