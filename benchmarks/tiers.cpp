// What LLVM's code is worth over AsmJit's, class of kernel by class, and what each costs to compile: the table of docs/tiers.md.
//   kiln_tiers [part of a class's name]
// At the end, what finding code on disk costs, beside opening LLVM. One thread; each time is the best of many launches, the two codes in turn; both are checked to give the same bits.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <limits>
#include <random>
#include <string>

#include "codegen/builder.h"
#include "codegen/disk_cache.h"
#include "codegen/image.h"
#include "codegen/math.h"

using namespace kiln;
using namespace kiln::codegen;

namespace {

constexpr int64_t kRow = 1000;     // elements of a row, where there are rows
constexpr double kSeconds = 0.04;  // for each code at each size

Buffer flat(DType t, Stride inner = Stride::contiguous) { return {t, false, inner, Stride::zero}; }
Buffer row(DType t) { return {t, false, Stride::contiguous, Stride::contiguous}; }
Buffer per_row(DType t) { return {t, false, Stride::zero, Stride::zero}; }
Buffer down(DType t) { return {t, false, Stride::contiguous, Stride::any}; }

struct Case {
  std::string name;
  Kernel kernel;
};

std::vector<Case> cases() {
  std::vector<Case> all;
  const auto add = [&](const char* name, int rank, Reduction reduction, const std::function<void(Builder&)>& body) {
    Case c{name, {}};
    c.kernel.rank = static_cast<uint8_t>(rank);
    c.kernel.reduction = reduction;
    Builder b(c.kernel);
    body(b);
    verify(c.kernel);
    all.push_back(std::move(c));
  };
  const auto in = [](Builder& b, DType t) { return b.load(b.add_buffer(flat(t))); };
  const auto out = [](Builder& b, Value v) { b.store(b.add_buffer(flat(v.dtype())), v); };
  const auto pointwise = [&](const char* name, const std::function<void(Builder&)>& body) { add(name, 1, Reduction::none, body); };
  const DType f32 = DType::F32, f64 = DType::F64;

  pointwise("add f32", [&](Builder& b) { out(b, in(b, f32) + in(b, f32)); });
  pointwise("relu(a*b+c)-d f32", [&](Builder& b) { out(b, b.maximum(in(b, f32) * in(b, f32) + in(b, f32), 0) - in(b, f32)); });
  pointwise("gelu f32", [&](Builder& b) {
    const Value x = in(b, f32);
    out(b, 0.5 * x * (1 + tanh(b, 0.7978845608 * (x + 0.044715 * x * x * x))));
  });
  pointwise("exp f32", [&](Builder& b) { out(b, exp(b, in(b, f32))); });
  pointwise("log f32", [&](Builder& b) { out(b, log(b, in(b, f32))); });
  pointwise("pow f32", [&](Builder& b) { out(b, pow(b, in(b, f32), in(b, f32))); });
  pointwise("erf f32", [&](Builder& b) { out(b, erf(b, in(b, f32))); });
  pointwise("sqrt and divide f32", [&](Builder& b) { out(b, in(b, f32) / b.sqrt(in(b, f32))); });
  pointwise("Adam step f32", [&](Builder& b) {
    const uint32_t weights = b.add_buffer(flat(f32)), mean = b.add_buffer(flat(f32)), square = b.add_buffer(flat(f32));
    const Value g = in(b, f32), m = b.load(mean) * 0.9 + g * 0.1, v = b.load(square) * 0.999 + g * g * 0.001;
    const Value w = b.load(weights) - m * 1e-3 / (b.sqrt(v) + 1e-8);
    b.store(mean, m);
    b.store(square, v);
    b.store(weights, w);
  });
  pointwise("exp f64", [&](Builder& b) { out(b, exp(b, in(b, f64))); });
  pointwise("relu(a*b+c)-d f64", [&](Builder& b) { out(b, b.maximum(in(b, f64) * in(b, f64) + in(b, f64), 0) - in(b, f64)); });
  pointwise("f64 to f32", [&](Builder& b) { out(b, b.cast(in(b, f64), f32)); });
  pointwise("u8 to f32, scaled", [&](Builder& b) { out(b, b.cast(in(b, DType::U8), f32) * 0.00392156862745098); });
  pointwise("f32 to i32", [&](Builder& b) { out(b, b.cast(in(b, f32), DType::I32)); });
  pointwise("i64 to f32", [&](Builder& b) { out(b, b.cast(in(b, DType::I64), f32)); });
  pointwise("divide i32", [&](Builder& b) { out(b, in(b, DType::I32) / in(b, DType::I32)); });
  pointwise("divide i64", [&](Builder& b) { out(b, in(b, DType::I64) / in(b, DType::I64)); });
  pointwise("multiply and shift i64", [&](Builder& b) { out(b, b.shr(in(b, DType::I64) * in(b, DType::I64), 3)); });
  pointwise("compare f32 to bool", [&](Builder& b) { out(b, b.lt(in(b, f32), in(b, f32))); });
  pointwise("and, or of bool",
            [&](Builder& b) { out(b, b.bit_or(b.bit_and(in(b, DType::Bool), in(b, DType::Bool)), in(b, DType::Bool))); });
  pointwise("select by bool f32", [&](Builder& b) { out(b, b.select(in(b, DType::Bool), in(b, f32), in(b, f32))); });
  pointwise("u8 arithmetic", [&](Builder& b) { out(b, b.maximum(in(b, DType::U8) + in(b, DType::U8), in(b, DType::U8))); });
  pointwise("strided f32", [&](Builder& b) { out(b, b.load(b.add_buffer(flat(f32, Stride::any))) * 2 + 1); });
  pointwise("random uniform f32", [&](Builder& b) {
    const Value word = philox(b, b.index(0), b.scalar(0, DType::I64), b.scalar(1, DType::I64), 0);
    out(b, b.cast(b.shr_logical(word, 8), f32) * 0x1p-24);
  });
  add("row and column broadcast f32", 2, Reduction::none, [&](Builder& b) {
    const Value by_row = b.load(b.add_buffer(flat(f32, Stride::zero)));
    out(b, in(b, f32) * by_row + 1);
  });
  const auto rows = [&](const char* name, const std::function<void(Builder&)>& body) { add(name, 2, Reduction::lanes, body); };
  rows("row sum f32", [&](Builder& b) { b.store(b.add_buffer(per_row(f32)), b.reduce(Prim::add, b.load(b.add_buffer(row(f32))))); });
  rows("row maximum f32", [&](Builder& b) { b.store(b.add_buffer(per_row(f32)), b.reduce(Prim::max, b.load(b.add_buffer(row(f32))))); });
  rows("row sum of exp f32",
       [&](Builder& b) { b.store(b.add_buffer(per_row(f32)), b.reduce(Prim::add, exp(b, b.load(b.add_buffer(row(f32)))))); });
  rows("row sum f64", [&](Builder& b) { b.store(b.add_buffer(per_row(f64)), b.reduce(Prim::add, b.load(b.add_buffer(row(f64))))); });
  rows("row sum i32",
       [&](Builder& b) { b.store(b.add_buffer(per_row(DType::I32)), b.reduce(Prim::add, b.load(b.add_buffer(row(DType::I32))))); });
  rows("softmax f32", [&](Builder& b) {
    const Value x = b.load(b.add_buffer(row(f32))), e = exp(b, x - b.reduce(Prim::max, x));
    b.store(b.add_buffer(row(f32)), e / b.reduce(Prim::add, e));
  });
  rows("layer norm f32", [&](Builder& b) {
    const Value x = b.load(b.add_buffer(row(f32))), mean = b.reduce(Prim::add, x) / double{kRow}, centred = x - mean;
    const Value variance = b.reduce(Prim::add, centred * centred) / double{kRow};
    b.store(b.add_buffer(row(f32)), centred / b.sqrt(variance + 1e-5));
  });
  const auto columns = [&](const char* name, const std::function<void(Builder&)>& body) { add(name, 2, Reduction::rows, body); };
  columns("column sum f32", [&](Builder& b) { b.store(b.add_buffer(flat(f32)), b.reduce(Prim::add, b.load(b.add_buffer(down(f32))))); });
  columns("column sum of squares f64", [&](Builder& b) {
    const Value x = b.load(b.add_buffer(down(f64)));
    b.store(b.add_buffer(flat(f64)), b.reduce(Prim::add, x * x));
  });
  return all;
}

// A kernel's arrays over `elements`, dense but for strided buffers, which take every second element.
class Arrays {
 public:
  Arrays(const Kernel& k, int64_t elements) : kernel_(k) {
    extents_ = k.rank == 1 ? std::vector<int64_t>{elements} : std::vector<int64_t>{elements / kRow, kRow};
    std::mt19937_64 random(1);
    for (const Buffer& b : k.buffers) {
      const int64_t size = size_of(b.dtype), last = k.rank - 1;
      std::vector<int64_t> stride(k.rank);
      int64_t bytes = size;
      if (b.inner != Stride::zero) {
        stride[last] = b.inner == Stride::any ? 2 * size : size;
        bytes = stride[last] * extents_[last];
      }
      if (k.rank == 2 && (k.reduced_dim() != 0 || b.reduced != Stride::zero)) {
        stride[0] = bytes;
        bytes *= extents_[0];
      }
      strides_.insert(strides_.end(), stride.begin(), stride.end());
      auto* memory = static_cast<char*>(std::aligned_alloc(64, static_cast<size_t>((bytes + 127) / 64 * 64)));
      for (int64_t at = 0; at < bytes; at += size) fill(memory + at, b.dtype, random());
      memory_.push_back(memory);
      bytes_.push_back(static_cast<size_t>(bytes));
    }
  }
  ~Arrays() {
    for (void* memory : memory_) std::free(memory);
  }
  Arrays(const Arrays&) = delete;

  void run(const Code& code) const {
    const uint64_t scalars[] = {7, 11};
    const Args args{memory_.data(), strides_.data(), extents_.data(), scalars, 0, nullptr, nullptr, code.self};
    code.function(&args, 0, block_count(kernel_, extents_.data()));
  }
  std::string results() const {
    std::string all;
    for (size_t i = 0; i < memory_.size(); ++i)
      if (kernel_.buffers[i].written) all.append(static_cast<const char*>(memory_[i]), bytes_[i]);
    return all;
  }

 private:
  static void fill(char* to, DType t, uint64_t bits) {
    const double real = 0.25 + static_cast<double>(bits >> 40) * 0x1p-22;  // 0.25 to 4.25
    const auto put = [&](auto value) { std::memcpy(to, &value, sizeof value); };
    switch (t) {
      case DType::Bool: return put(static_cast<uint8_t>(bits & 1));
      case DType::U8: return put(static_cast<uint8_t>(bits));
      case DType::I32: return put(static_cast<int32_t>(bits % 1000 + 1));
      case DType::I64: return put(static_cast<int64_t>(bits % 1000 + 1));
      case DType::F32: return put(static_cast<float>(real));
      default: return put(real);
    }
  }

  const Kernel& kernel_;
  std::vector<int64_t> extents_, strides_;
  std::vector<void*> memory_;
  std::vector<size_t> bytes_;
};

double seconds(const std::function<void()>& act) {
  const auto start = std::chrono::steady_clock::now();
  act();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// The best time of one launch of each, in turn.
std::array<double, 2> compare(const Arrays& arrays, const std::array<const Code*, 2>& codes) {
  const double once = seconds([&] { arrays.run(*codes[0]); });
  const int launches = std::max(1, static_cast<int>(2e-5 / once));  // of one sample: well above the clock's own time
  std::array<double, 2> best{std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()};
  double spent = 0;
  for (int turn = 0; turn < 16 || spent < 2 * kSeconds; ++turn) {
    const size_t which = static_cast<size_t>((turn ^ turn >> 1) & 1);
    const double took = seconds([&] {
      for (int i = 0; i < launches; ++i) arrays.run(*codes[which]);
    });
    best[which] = std::min(best[which], took / launches);
    spent += took;
  }
  return best;
}

template <class Make>
auto timed(double& best, Make&& make) {
  decltype(make()) made;
  best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < 5; ++i) best = std::min(best, seconds([&] { made = make(); }));
  return made;
}

std::string scaled(double s) {
  char text[32];
  if (s < 1e-5) std::snprintf(text, sizeof text, "%.2f µs", s * 1e6);
  else if (s < 1e-3) std::snprintf(text, sizeof text, "%.1f µs", s * 1e6);
  else std::snprintf(text, sizeof text, "%.2f ms", s * 1e3);
  return text;
}

// What a process pays that finds LLVM's code on disk, and what it does not pay.
void print_costs_of_disk(const Kernel& kernel, const CodeImage& image, double opening) {
  std::string folder = "/tmp/kiln-tiers-XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) return;
  DiskCache cache(folder + "/code", "kiln_tiers", 1 << 20);
  cache.store(kernel, {Verdict::llvm, 1, image});
  Kernel other = kernel;
  other.scalars = 1;
  double finding = 1, missing = 1, placing = 1;  // seconds
  for (int i = 0; i < 300; ++i) {
    std::optional<CacheEntry> found;
    finding = std::min(finding, seconds([&] { found = cache.find(kernel); }));
    placing = std::min(placing, seconds([&] { place_image(found->image); }));
    missing = std::min(missing, seconds([&] { cache.find(other); }));
  }
  std::printf("\nOn disk, %zu bytes of code: found in %s, placed in %s; not there: %s. Opening LLVM: %s.\n", image.bytes.size(),
              scaled(finding).c_str(), scaled(placing).c_str(), scaled(missing).c_str(), scaled(opening).c_str());
  std::filesystem::remove_all(folder);
}

}  // namespace

int main(int count, char** words) {
  const std::string wanted = count > 1 ? words[1] : "";
  std::string why;
  ImageCompiler* llvm = nullptr;
  const double opening = seconds([&] { llvm = llvm_library(&why); });
  if (llvm == nullptr) return std::fprintf(stderr, "no LLVM: %s\n", why.c_str()), 1;
  const std::array<int64_t, 3> sizes{1'000, 100'000, 10'000'000};
  std::printf(
      "| kernel | compiling: AsmJit | LLVM | code: AsmJit | LLVM | 10³: AsmJit | LLVM | gain | 10⁵: AsmJit | LLVM | gain | 10⁷: AsmJit | "
      "LLVM | gain |\n");
  std::printf("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n");
  const std::vector<Case> all = cases();
  const Case* last = nullptr;
  CodeImage last_image;
  for (const Case& c : all) {
    if (c.name.find(wanted) == std::string::npos) continue;
    double by_asmjit = 0, by_llvm = 0;
    const auto asmjit = timed(by_asmjit, [&] { return asmjit_backend().compile(c.kernel, isa()); });
    const auto image = timed(by_llvm, [&] { return llvm->compile(c.kernel, isa()); });
    if (!image) return std::fprintf(stderr, "%s: LLVM does not compile it\n", c.name.c_str()), 1;
    const auto code = place_image(*image);
    if (!asmjit) {
      std::printf("| %s | not covered | %s |\n", c.name.c_str(), scaled(by_llvm).c_str());
      continue;
    }
    std::printf("| %s | %s | %s | %zu B | %zu B", c.name.c_str(), scaled(by_asmjit).c_str(), scaled(by_llvm).c_str(), asmjit->bytes,
                code->bytes);
    for (const int64_t size : sizes) {
      const Arrays arrays(c.kernel, size), others(c.kernel, size);
      arrays.run(*asmjit);
      others.run(*code);
      if (arrays.results() != others.results()) return std::fprintf(stderr, "%s: the bits differ\n", c.name.c_str()), 1;
      const auto best = compare(arrays, {asmjit.get(), code.get()});
      std::printf(" | %s | %s | %.2f", scaled(best[0]).c_str(), scaled(best[1]).c_str(), best[0] / best[1]);
    }
    std::printf(" |\n");
    std::fflush(stdout);
    last = &c, last_image = *image;
  }
  if (last != nullptr) print_costs_of_disk(last->kernel, last_image, opening);
}
