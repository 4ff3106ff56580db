#include "random_kernel.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <iterator>
#include <random>
#include <set>
#include <sstream>

#include "codegen/error.h"
#include "codegen/interpreter/primitives.h"

namespace kiln::codegen::testing {
namespace {

using Random = std::mt19937_64;

int64_t below(Random& random, int64_t n) { return static_cast<int64_t>(random() % static_cast<uint64_t>(n)); }
bool chance(Random& random, int percent) { return below(random, 100) < percent; }
template <class Container>
auto pick(Random& random, const Container& from) {
  return *std::next(std::begin(from), below(random, static_cast<int64_t>(std::size(from))));
}

template <class T>
uint64_t bits_of(T value) {
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  return bits;
}

uint64_t float_bits(DType t, double value) {
  if (is_half(t)) return interpreter::evaluate(Prim::cast, t, DType::F64, bits_of(value));
  return t == DType::F32 ? bits_of(static_cast<float>(value)) : bits_of(value);
}

// Ordinary values, and those where arithmetic has corners.
uint64_t random_bits(DType t, Random& random) {
  const uint64_t raw = random();
  if (t == DType::Bool) return raw & 1;
  if (is_floating(t)) {
    constexpr double kCorners[] = {0.0,
                                   -0.0,
                                   1,
                                   -1,
                                   0.5,
                                   1.5,
                                   2.5,
                                   -2.5,
                                   255,
                                   255.5,
                                   256,
                                   2147483647,
                                   2147483648.0,
                                   -2147483648.0,
                                   -2147483649.0,
                                   9223372036854775807.0,
                                   -9223372036854775808.0,
                                   1e-40,
                                   -1e-40,
                                   4.9e-324,
                                   1e38,
                                   -1e38,
                                   1e308,
                                   INFINITY,
                                   -INFINITY};
    switch (below(random, 8)) {
      case 0: return float_bits(t, pick(random, kCorners));
      case 1: {  // NaNs of either sign with payloads
        const uint64_t payload = (raw >> 8) | 1;
        if (is_half(t)) return (raw & 0x8000) | (t == DType::F16 ? 0x7c00 | (payload & 0x3ff) : 0x7f80 | (payload & 0x7f));
        return t == DType::F32 ? ((raw & 0x80000000) | 0x7f800000 | (payload & 0x7fffff))
                               : ((raw & (uint64_t{1} << 63)) | 0x7ff0000000000000 | (payload & 0xfffffffffffff));
      }
      case 2: return size_of(t) == 8 ? raw : raw & ((uint64_t{1} << 8 * size_of(t)) - 1);
      case 3: return float_bits(t, static_cast<double>(below(random, 21) - 10));
      default: return float_bits(t, static_cast<double>(static_cast<int64_t>(raw)) * 0x1p-60);
    }
  }
  const int width = 8 * size_of(t);
  const uint64_t mask = width == 64 ? ~uint64_t{0} : (uint64_t{1} << width) - 1;
  switch (below(random, 5)) {
    case 0: return raw & mask;
    case 1: return (uint64_t{1} << below(random, width)) & mask;         // powers of two, INT_MIN
    case 2: return (~uint64_t{0} >> below(random, 64)) & mask;           // -1, INT_MAX
    case 3: return static_cast<uint64_t>(below(random, 80) - 8) & mask;  // shift counts, just over-wide ones too
    default: return static_cast<uint64_t>(below(random, 7) - 3) & mask;
  }
}

// Offsets that gathers are drawn with, and what is laid out around their buffers: a few elements more, since faults are planted in constants.
constexpr int64_t kReach = 64, kBack = 16, kSlack = 8;

bool is_valid(const Kernel& kernel) {
  try {
    verify(kernel);
    return true;
  } catch (const Error&) { return false; }
}

// -- Kernels ----------------------------------------------------------------------------------------------------------------------------

class Generator {
 public:
  Generator(uint64_t seed, uint64_t attempt) : random_((seed + (attempt << 48)) * 0x9e3779b97f4a7c15u + 1) { c_.seed = seed; }

  KernelCase run() {
    header();
    inputs();
    const int64_t operations = 1 + (chance(random_, 10) ? below(random_, 60) : below(random_, 14));
    for (int64_t i = 0; i < operations; ++i) operation();
    outputs();
    return c_;
  }

  // A later store can keep a load alive that an earlier one, in place, must not have after it.
  bool valid() const {
    if (!is_valid(c_.kernel)) return false;
    for (size_t b = 0; b < c_.buffers.size(); ++b) {
      if (c_.buffers[b].arena == 0) continue;
      Kernel same_buffer = c_.kernel;
      for (Node& n : same_buffer.nodes)
        if (n.kind == NodeKind::load && n.slot == c_.buffers[b].arena - 1) n.slot = static_cast<uint32_t>(b);
      if (!is_valid(same_buffer)) return false;
    }
    return true;
  }

 private:
  Kernel& k() { return c_.kernel; }

  void header() {
    constexpr Reduction kKinds[] = {Reduction::none,  Reduction::none,  Reduction::none, Reduction::none, Reduction::none,
                                    Reduction::lanes, Reduction::lanes, Reduction::rows, Reduction::rows, Reduction::tree};
    k().reduction = pick(random_, kKinds);
    for (int64_t n = 2 + below(random_, 5); n > 0; --n) palette_.push_back(pick(random_, kRealDTypes).dtype);
    k().rank = static_cast<uint8_t>(1 + below(random_, chance(random_, 10) ? 5 : 3));
    if (k().reduction == Reduction::rows) k().rank = std::max<uint8_t>(k().rank, 2);
    if (k().reduction != Reduction::none && k().reduced_dim() > 0 && chance(random_, 30))
      k().clip = static_cast<int8_t>(below(random_, k().reduced_dim()));
  }

  Stride any_stride() {
    constexpr Stride kClasses[] = {Stride::contiguous, Stride::contiguous, Stride::contiguous, Stride::any, Stride::zero};
    return pick(random_, kClasses);
  }

  Buffer input_buffer() {
    Buffer b{.dtype = any_dtype(), .inner = any_stride()};
    if (k().reduction == Reduction::rows) {
      b.reduced = chance(random_, 70) ? Stride::any : Stride::zero;
      if (b.inner == Stride::any && chance(random_, 30)) b.reduced = Stride::contiguous;
    } else if (k().reduction != Reduction::none) {
      b.reduced = b.inner;
    }
    return b;
  }

  NodeId push(Node n) {
    k().nodes.push_back(n);
    return static_cast<NodeId>(k().nodes.size() - 1);
  }

  void inputs() {
    const int64_t count = 1 + below(random_, 4);
    for (int64_t i = 0; i < count; ++i) {
      k().buffers.push_back(input_buffer());
      push({.kind = NodeKind::load, .dtype = k().buffers.back().dtype, .slot = static_cast<uint32_t>(i)});
    }
    if (chance(random_, 30)) push({.kind = NodeKind::index, .dtype = DType::I64, .slot = static_cast<uint32_t>(below(random_, k().rank))});
    if (chance(random_, 30)) push({.kind = NodeKind::scalar, .dtype = any_dtype(), .slot = k().scalars++});
  }

  NodeId constant(DType t) { return push({.kind = NodeKind::constant, .dtype = t, .bits = random_bits(t, random_)}); }

  // A node of this dtype: an old one, more likely a young one, else one made of another.
  NodeId operand(DType t) {
    std::vector<NodeId> known;
    for (NodeId id = 0; id < k().nodes.size(); ++id)
      if (k().nodes[id].dtype == t) known.push_back(id);
    if (known.empty() || chance(random_, 8)) {
      if (chance(random_, 50)) return constant(t);
      const auto from = static_cast<NodeId>(below(random_, static_cast<int64_t>(k().nodes.size())));
      if (k().nodes[from].dtype == t) return from;
      return push({.kind = NodeKind::primitive, .prim = Prim::cast, .dtype = t, .operands = {from, kNoNode, kNoNode}});
    }
    return chance(random_, 50) ? known.back() : pick(random_, known);
  }

  // A kernel is about few dtypes, so that its values meet.
  DType any_dtype() { return chance(random_, 75) ? pick(random_, palette_) : pick(random_, kRealDTypes).dtype; }
  template <class Wanted>
  DType dtype_where(Wanted wanted) {
    DType t;
    do t = any_dtype();
    while (!wanted(t));
    return t;
  }
  DType dtype_for(Prim p) {
    return dtype_where([p](DType t) { return takes(p, t); });
  }

  void operation() {
    if (k().reduction != Reduction::none && chance(random_, 20)) return reduce();
    if (chance(random_, 8)) return masked_load();
    if (chance(random_, 6)) return gather();
    if (chance(random_, 4)) return lesser_or_greater();
    const PrimInfo& prim = pick(random_, kPrims);
    Node n{.kind = NodeKind::primitive, .prim = prim.prim};
    if (prim.prim == Prim::bitcast) {
      const DType real = dtype_where([](DType t) { return is_floating(t); }), integer = integer_of(size_of(real), chance(random_, 50));
      const bool from_real = chance(random_, 50);
      n.operands[0] = operand(from_real ? real : integer);
      n.dtype = from_real ? integer : real;
    } else if (prim.prim == Prim::cast) {
      const DType from = any_dtype();
      do n.dtype = any_dtype();
      while (n.dtype == from);
      n.operands[0] = operand(from);
    } else {
      const DType t = dtype_for(prim.prim);
      for (int i = 0; i < prim.operands; ++i) n.operands[i] = operand(prim.prim == Prim::select && i == 0 ? DType::Bool : t);
      n.dtype = result_dtype(prim.prim, t);
    }
    push(n);
  }

  // a < b ? a : b, or another of its four forms: back ends have instructions for that.
  void lesser_or_greater() {
    const DType t = dtype_for(Prim::fma);  // a float that is computed with
    NodeId a = operand(t), b = operand(t);
    const NodeId condition = push({.kind = NodeKind::primitive,
                                   .prim = chance(random_, 50) ? Prim::lt : Prim::gt,
                                   .dtype = DType::Bool,
                                   .operands = {a, b, kNoNode}});
    if (chance(random_, 50)) std::swap(a, b);
    push({.kind = NodeKind::primitive, .prim = Prim::select, .dtype = t, .operands = {condition, a, b}});
  }

  void reduce() {
    constexpr Prim kCombines[] = {Prim::add, Prim::mul, Prim::min, Prim::max, Prim::bit_and, Prim::bit_or};
    const Prim prim = pick(random_, kCombines);
    const bool of_bools = accepts(info(prim).accepts, DType::Bool) && chance(random_, 15);  // which kernels are seldom about
    const DType t = of_bools ? DType::Bool : dtype_for(prim);
    const NodeId of = operand(t);
    const NodeId result = push({.kind = NodeKind::reduce, .prim = prim, .dtype = t, .operands = {of, kNoNode, kNoNode}});
    if (!chance(random_, 50)) return;
    // Often a later pass uses what it was made of again, as a softmax does.
    constexpr Prim kPairs[] = {Prim::sub, Prim::mul, Prim::max, Prim::bit_xor, Prim::bit_and};
    Prim with;
    do with = pick(random_, kPairs);
    while (!accepts(info(with).accepts, t));
    push({.kind = NodeKind::primitive, .prim = with, .dtype = t, .operands = {of, result, kNoNode}});
  }

  void masked_load() {
    const auto buffer = static_cast<uint32_t>(k().buffers.size());
    k().buffers.push_back(input_buffer());
    const DType t = k().buffers.back().dtype;
    const NodeId mask = operand(DType::Bool), otherwise = operand(t);
    push({.kind = NodeKind::load, .dtype = t, .slot = buffer, .operands = {mask, otherwise, kNoNode}});
  }

  // An element at a computed offset, from kBack before the buffer's own address to kReach - kBack after it.
  void gather() {
    const auto buffer = static_cast<uint32_t>(k().buffers.size());
    k().buffers.push_back(input_buffer());
    k().buffers.back().gathered = true;
    const DType t = k().buffers.back().dtype;
    const auto with = [&](Prim prim, NodeId x, int64_t n) {
      const NodeId constant = push({.kind = NodeKind::constant, .dtype = DType::I64, .bits = static_cast<uint64_t>(n)});
      return push({.kind = NodeKind::primitive, .prim = prim, .dtype = DType::I64, .operands = {x, constant, kNoNode}});
    };
    const NodeId offset = with(Prim::sub, with(Prim::bit_and, operand(DType::I64), kReach - 1), kBack);
    Node n{.kind = NodeKind::gather, .dtype = t, .slot = buffer, .operands = {offset, kNoNode, kNoNode}};
    if (chance(random_, 30)) {
      n.operands[1] = operand(DType::Bool);
      n.operands[2] = operand(t);
    }
    push(n);
  }

  void outputs() {
    const int64_t count = 1 + below(random_, 3);
    std::set<NodeId> stored;
    for (int64_t i = 0; i < count; ++i) {
      const auto nodes = static_cast<int64_t>(k().nodes.size());
      const auto value = static_cast<NodeId>(nodes - 1 - std::min(below(random_, nodes), i == 0 ? 0 : below(random_, nodes)));
      if (stored.insert(value).second) output(value);
    }
  }

  void output(NodeId value) {
    const bool varying =
        schedule(k()).varying[value] || (k().reduction != Reduction::none && chance(random_, 20));  // else the same all along
    const DType t = k().nodes[value].dtype;
    if (chance(random_, 35) && output_in_place(value, varying)) return;
    const Stride access = chance(random_, 80) ? Stride::contiguous : Stride::any;
    Buffer b{.dtype = t, .written = true, .inner = access};
    if (k().reduction == Reduction::rows) b.reduced = varying ? Stride::any : Stride::zero;
    else if (k().reduction != Reduction::none) b.reduced = b.inner = varying ? access : Stride::zero;
    k().buffers.push_back(b);
    k().stores.push_back({static_cast<uint32_t>(k().buffers.size() - 1), value});
  }

  // Stores over something the kernel loads, through the same buffer or another one at the same addresses.
  bool output_in_place(NodeId value, bool varying) {
    for (uint32_t b = 0; b < k().buffers.size(); ++b) {
      const Buffer& buffer = k().buffers[b];
      const bool none = k().reduction == Reduction::none;
      if (buffer.dtype != k().nodes[value].dtype || buffer.written || shared_.contains(b)) continue;
      if (none || k().reduction == Reduction::rows ? buffer.inner == Stride::zero : false) continue;  // one store an element
      if (!none && varying != (buffer.reduced != Stride::zero)) continue;
      Kernel attempt = k();
      attempt.buffers[b].written = true;
      attempt.stores.push_back({b, value});
      if (!is_valid(attempt)) continue;
      shared_.insert(b);
      if (chance(random_, 50)) {
        k() = attempt;
        return true;
      }
      k().buffers.push_back(attempt.buffers[b]);
      k().stores.push_back({static_cast<uint32_t>(k().buffers.size() - 1), value});
      c_.buffers.resize(k().buffers.size());
      c_.buffers.back().arena = b + 1;  // 1 + the buffer whose memory it shares; lay_out() resolves it
      return true;
    }
    return false;
  }

  Random random_;
  KernelCase c_;
  std::vector<DType> palette_;
  std::set<uint32_t> shared_;  // buffers that a store already goes over
};

// -- Memory -----------------------------------------------------------------------------------------------------------------------------

void choose_extents(KernelCase& c, Random& random) {
  constexpr int64_t kSmall[] = {1, 2, 3, 5, 7, 0};
  constexpr int64_t kVector[] = {1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 129, 0};
  constexpr int64_t kBlock[] = {255, 257, 4095, 4096, 4097, 8193, 12289, 5000};
  constexpr int64_t kRows[] = {1, 2, 9, 63, 64, 65, 127, 128, 129, 193, 256, 321, 0};
  c.extents.assign(c.kernel.rank, 1);
  for (int64_t& e : c.extents) {
    do e = pick(random, kSmall);
    while (e == 0 && !chance(random, 15));
  }
  const int last = c.kernel.rank - 1;
  do c.extents[last] = chance(random, 30) ? pick(random, kBlock) : pick(random, kVector);
  while (c.extents[last] == 0 && !chance(random, 20));
  if (c.kernel.reduction == Reduction::rows) c.extents[last - 1] = chance(random, 70) ? pick(random, kRows) : c.extents[last - 1];
  // Keep the interpreter's work bounded.
  for (int d = 0; d < c.kernel.rank;) {
    int64_t total = 1;
    for (int64_t e : c.extents) total *= std::max<int64_t>(e, 1);
    if (total <= 30000) break;
    c.extents[d] = d == last ? 65 : std::min<int64_t>(c.extents[d], 2);
    ++d;
  }
}

void lay_out(KernelCase& c, Random& random) {
  const Kernel& k = c.kernel;
  const int last = k.rank - 1, reduced = k.reduced_dim();
  std::vector<uint32_t> shares(k.buffers.size());
  for (size_t b = 0; b < k.buffers.size() && b < c.buffers.size(); ++b) shares[b] = c.buffers[b].arena;
  std::set<uint32_t> written;  // in any way: all indices need memory of their own
  for (size_t b = 0; b < k.buffers.size(); ++b) {
    if (k.buffers[b].written) written.insert(static_cast<uint32_t>(b));
    if (shares[b] > 0) written.insert(shares[b] - 1);
  }
  c.buffers.resize(k.buffers.size());
  c.arenas.clear();
  for (uint32_t b = 0; b < k.buffers.size(); ++b) {
    const Buffer& buffer = k.buffers[b];
    KernelCase::Placement& at = c.buffers[b];
    if (shares[b] > 0) {
      at = c.buffers[shares[b] - 1];
      continue;
    }
    const int64_t size = size_of(buffer.dtype);
    at.strides.assign(k.rank, 0);
    // Dimensions from the densest outwards; one that has to be contiguous is the densest.
    std::vector<int> order;
    for (int d = last; d >= 0; --d) order.push_back(d);
    if (chance(random, 30)) std::shuffle(order.begin(), order.end(), random);
    const auto access = [&](int d) { return d == last ? buffer.inner : d == reduced ? buffer.reduced : Stride::any; };
    std::stable_partition(order.begin(), order.end(), [&](int d) { return access(d) == Stride::contiguous; });
    int64_t step = size, low = 0, high = size;
    for (int d : order) {
      if (access(d) == Stride::zero) continue;
      const bool free = access(d) == Stride::any;
      if (free && !written.contains(b) && chance(random, 10)) continue;  // broadcast along it
      int64_t stride = step;
      if (free && chance(random, 25)) stride += size * (1 + below(random, 3));
      if (free && chance(random, 20)) stride = -stride;
      at.strides[static_cast<size_t>(d)] = stride;
      const int64_t reach = stride * std::max<int64_t>(c.extents[static_cast<size_t>(d)] - 1, 0);
      (reach < 0 ? low : high) += reach;
      step = std::abs(stride) * std::max<int64_t>(c.extents[static_cast<size_t>(d)], 1);
    }
    if (buffer.gathered) {
      low -= (kBack + kSlack) * size;
      high += (kReach + kSlack) * size;
    }
    at.offset = -low;
    at.arena = static_cast<uint32_t>(c.arenas.size());
    std::vector<std::byte> memory(static_cast<size_t>(high - low));
    for (int64_t i = 0; i + size <= high - low; i += size) {
      uint64_t bits = random_bits(buffer.dtype, random);
      if (buffer.dtype == DType::Bool && bits != 0 && chance(random, 10))
        bits = 1 + static_cast<uint64_t>(below(random, 255));  // any byte but 0
      std::memcpy(memory.data() + i, &bits, static_cast<size_t>(size));
    }
    c.arenas.push_back(std::move(memory));
  }
  c.scalars.clear();
  for (uint32_t i = 0; i < k.scalars; ++i) {
    DType t = DType::I64;
    for (const Node& n : k.nodes)
      if (n.kind == NodeKind::scalar && n.slot == i) t = n.dtype;
    c.scalars.push_back(random_bits(t, random));
  }
  c.clip_total = 0;
  if (k.clip >= 0) {
    const int64_t blocks = c.extents[static_cast<size_t>(k.clip)], extent = c.extents[static_cast<size_t>(reduced)];
    c.clip_total = std::max<int64_t>(0, blocks * extent - below(random, extent + 2));
  }
  const int64_t blocks = block_count(k, c.extents.data());
  c.cuts = {0, blocks};
  for (int64_t i = below(random, 4); i > 0 && blocks > 0; --i) c.cuts.push_back(below(random, blocks + 1));
  std::sort(c.cuts.begin(), c.cuts.end());
}

const char* text_of(Stride s) { return s == Stride::zero ? "zero" : s == Stride::contiguous ? "contiguous" : "any"; }
const char* text_of(Reduction r) {
  return r == Reduction::none ? "none" : r == Reduction::lanes ? "lanes" : r == Reduction::rows ? "rows" : "tree";
}

}  // namespace

KernelCase random_case(uint64_t seed) {
  KernelCase c;
  for (uint64_t attempt = 0;; ++attempt) {
    Generator generator(seed, attempt);
    c = generator.run();
    if (generator.valid()) break;
  }
  Random random(seed ^ 0x5bd1e995);
  choose_extents(c, random);
  lay_out(c, random);
  return c;
}

KernelCase case_of(const Kernel& kernel, uint64_t seed) {
  KernelCase c;
  c.seed = seed;
  c.kernel = kernel;
  Random random(seed ^ 0x5bd1e995);
  choose_extents(c, random);
  // Contiguous along two dimensions at once is what a column is.
  for (const Buffer& b : kernel.buffers)
    if (kernel.reduction == Reduction::rows && b.inner == Stride::contiguous && b.reduced == Stride::contiguous) c.extents.back() = 1;
  lay_out(c, random);
  return c;
}

KernelCase rebuilt(const KernelCase& c, const Kernel& kernel, const std::vector<int64_t>& extents) {
  verify(kernel);
  KernelCase out;
  out.seed = c.seed;
  out.kernel = kernel;
  out.extents = extents;
  out.buffers.resize(c.buffers.size());
  for (size_t b = 0; b < c.buffers.size(); ++b) {  // who shares whose memory
    out.buffers[b].arena = 0;
    for (size_t other = 0; other < b; ++other)
      if (c.buffers[other].arena == c.buffers[b].arena) out.buffers[b].arena = static_cast<uint32_t>(other) + 1;
  }
  Random random(c.seed ^ 0x5bd1e995);
  lay_out(out, random);
  return out;
}

std::string KernelCase::describe() const {
  std::ostringstream out;
  const auto list = [&](const std::vector<int64_t>& values) {
    for (int64_t v : values) out << ' ' << v;
  };
  out << "seed " << seed << "\n" << print(kernel) << "\nextents";
  list(extents);
  if (kernel.clip >= 0) out << "  clip_total " << clip_total;
  out << "\ncuts";
  list(cuts);
  for (size_t b = 0; b < buffers.size(); ++b) {
    out << "\nbuffer " << b << ": arena " << buffers[b].arena << " offset " << buffers[b].offset << " strides";
    list(buffers[b].strides);
  }
  out << "\n";
  return out.str();
}

void Coverage::count(const KernelCase& c) {
  ++cases_;
  std::set<std::pair<std::string, std::string>> seen;
  const auto see = [&](const char* group, std::string name) { seen.emplace(group, std::move(name)); };
  const Schedule s = schedule(c.kernel);
  see("reduction", text_of(c.kernel.reduction));
  see("rank", std::to_string(c.kernel.rank));
  see("passes", std::to_string(std::min(s.passes, 4)));
  if (c.kernel.clip >= 0) see("other", "split reduction");
  if (std::find(c.extents.begin(), c.extents.end(), 0) != c.extents.end()) see("other", "empty space");
  if (c.cuts.size() > 2) see("other", "several calls");
  std::set<NodeId> live;
  for (const Schedule::Pass& pass : s.steps)
    for (const auto* list : {&pass.once, &pass.loop, &pass.reduces}) live.insert(list->begin(), list->end());
  std::set<uint32_t> loaded;
  for (NodeId id : live) {
    const Node& n = c.kernel.nodes[id];
    if (n.kind == NodeKind::primitive) see("primitive", std::string(info(n.prim).name));
    if (n.kind == NodeKind::reduce) see("combine", std::string(info(n.prim).name));
    if (n.kind == NodeKind::reduce) see("reduced dtype", std::string(name_of(n.dtype)));
    if (n.kind == NodeKind::scalar) see("leaf", "scalar");
    if (n.kind == NodeKind::index) see("leaf", "index");
    if (n.kind == NodeKind::constant) see("leaf", "constant");
    see("dtype", std::string(name_of(n.dtype)));
    if (!reads_memory(n)) continue;
    const std::string what = n.kind == NodeKind::gather ? "gather" : "load";
    see("leaf", is_masked(n) ? "masked " + what : what);
    if (n.kind == NodeKind::gather) see("gather stride", text_of(c.kernel.buffers[n.slot].inner));
    if (n.kind == NodeKind::gather) continue;
    loaded.insert(n.slot);
    see("load stride", text_of(c.kernel.buffers[n.slot].inner));
  }
  for (const Store& store : c.kernel.stores) {
    see("store stride", text_of(c.kernel.buffers[store.buffer].inner));
    see("stored dtype", std::string(name_of(c.kernel.buffers[store.buffer].dtype)));
    if (loaded.contains(store.buffer)) see("aliasing", "in place");
    for (uint32_t b : loaded)
      if (b != store.buffer && c.buffers[b].arena == c.buffers[store.buffer].arena) see("aliasing", "two buffers, one memory");
  }
  for (const auto& [group, name] : seen) ++counts_[group][name];
}

std::string Coverage::table() const {
  std::ostringstream out;
  out << "cases " << cases_ << "\n";
  for (const auto& [group, names] : counts_) {
    out << group << ":";
    for (const auto& [name, n] : names) out << "  " << name << " " << n;
    out << "\n";
  }
  return out.str();
}

std::vector<std::string> Coverage::rare(const std::string& group) const {
  std::vector<std::string> out;
  const auto found = counts_.find(group);
  const auto often = [&](const std::string& name) {
    if (found == counts_.end()) return false;
    const auto at = found->second.find(name);
    return at != found->second.end() && at->second * 100 >= cases_;
  };
  if (group == "primitive") {
    for (const PrimInfo& p : kPrims)
      if (!often(std::string(p.name))) out.emplace_back(p.name);
  } else if (group == "dtype" || group == "stored dtype" || group == "reduced dtype") {
    for (const DTypeInfo& t : kRealDTypes)
      if ((group != "reduced dtype" || !is_half(t.dtype)) && !often(std::string(t.name))) out.emplace_back(t.name);
  } else if (found != counts_.end()) {
    for (const auto& [name, n] : found->second)
      if (!often(name)) out.push_back(name);
  }
  return out;
}

}  // namespace kiln::codegen::testing
