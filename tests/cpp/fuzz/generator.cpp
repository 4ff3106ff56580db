#include "tests/cpp/fuzz/generator.h"

#include <algorithm>
#include <map>
#include <optional>

#include "tests/cpp/eager/samples.h"
#include "tests/cpp/fuzz/coverage.h"
#include "tests/cpp/fuzz/machine.h"
#include "tests/cpp/fuzz/values.h"

namespace kiln::fuzz {
namespace {

using eager::Parameter;
using eager::Sample;
using eager::SampleTensor;
using eager::Tensor;
using Kind = Parameter::Kind;

constexpr int64_t kMaxElements = 40'000;
constexpr int64_t kMostElements = 80'000;  // of what is reduced over two kernels
constexpr int64_t kLarge = 2'000;          // two of different shapes would make too many elements together

class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed), differentiates_(random_.chance(0.3)) { p_.seed = seed; }

  Program make() {
    for (int64_t n = random_.between(1, 3); n-- > 0;) any_leaf();
    const std::vector<const Operator*>& operators = callable();  // two of them in turn, so that none is rare, however many there are
    for (const size_t ahead : {size_t{0}, operators.size() / 2}) call_operator(*operators[(p_.seed + ahead) % operators.size()]);
    for (int64_t n = random_.between(4, 14); n-- > 0;) action();
    if (differentiates_) differentiate();
    while (random_.chance(0.5)) drop();
    return std::move(p_);
  }

 private:
  // ---- the pool -----------------------------------------------------------------------------------------------------

  std::vector<TensorId> those(const std::function<bool(const Tensor&)>& wanted) const {
    std::vector<TensorId> ids;
    for (TensorId id = 0; id < p_.tensors; ++id)
      if (machine_.has(id) && wanted(machine_.at(id))) ids.push_back(id);
    return ids;
  }

  // One of the tensors that are as wanted, rather a late one: programs should be chains more than bushes.
  std::optional<TensorId> one(const std::function<bool(const Tensor&)>& wanted) {
    const std::vector<TensorId> ids = those(wanted);
    if (ids.empty()) return std::nullopt;
    const auto last = static_cast<int64_t>(ids.size()) - 1;
    return ids[static_cast<size_t>(random_.chance(0.6) ? random_.between(std::max<int64_t>(0, last - 3), last) : random_.between(0, last))];
  }
  std::optional<TensorId> any() {
    return one([](const Tensor&) { return true; });
  }
  const Tensor& at(TensorId id) const { return machine_.at(id); }

  // Does the step and keeps it if it worked (and sometimes if it raised). Gives its first output, or its target.
  std::optional<TensorId> emit(Step s, int outputs = 0) {
    if (s.kind == Step::Kind::call) outputs = s.op->outputs;
    for (int i = 0; i < outputs; ++i) s.outputs.push_back(p_.tensors + i);
    const auto features = features_before(s, machine_);
    const bool done = machine_.apply(s);
    if (!done && !random_.chance(0.02)) return std::nullopt;
    for (TensorId id : s.outputs)
      if (done && at(id).numel() > most_) {
        for (TensorId each : s.outputs) machine_.forget(each);
        return std::nullopt;
      }
    p_.tensors += outputs;
    if (done) {
      p_.features.insert(features.begin(), features.end());
      add_features_after(s, machine_, p_.features);
    } else {
      p_.features.emplace("event", "raises");
    }
    p_.steps.push_back(s);
    if (!done) return std::nullopt;
    return s.outputs.empty() ? s.target : s.outputs[0];
  }

  std::optional<TensorId> call(const char* name, std::vector<Ref> operands, Attrs attrs = {}) {
    return emit({.op = eager::find_operator(name), .operands = std::move(operands), .attrs = std::move(attrs)});
  }

  // ---- leaves -------------------------------------------------------------------------------------------------------

  int64_t extent() {
    constexpr std::array<int64_t, 16> kExtents{0, 1, 1, 2, 2, 3, 3, 4, 5, 7, 8, 16, 17, 31, 33, 65};
    return random_.one_of(kExtents);
  }
  Dims shape(int64_t most = kMaxElements / 8) {
    if (random_.chance(0.06)) {
      const int64_t rows = random_.between(4090, 4200);
      return random_.chance(0.5) ? Dims{rows} : random_.chance(0.5) ? Dims{rows, random_.between(1, 3)} : Dims{random_.between(1, 3), rows};
    }
    Dims d;
    const bool square = random_.chance(0.25);  // where one axis can be taken for another
    for (int64_t rank = random_.between(0, 4); rank-- > 0;) d.push_back(square && !d.empty() ? d[0] : extent());
    while (eager::product(d) > most) d.erase(0);
    return d;
  }
  DType dtype() {
    constexpr std::array kOften{DType::F32, DType::F32, DType::F64, DType::I32, DType::I64, DType::U8, DType::Bool};
    return random_.chance(0.7) ? random_.one_of(kOften) : random_.one_of(kDTypes).dtype;
  }

  TensorId whole_leaf(const Dims& shape, DType t, double low = -2, double high = 2, bool redrawable = true) {
    Leaf leaf{.id = p_.tensors++, .shape = shape, .dtype = t, .bytes = {}, .redrawable = redrawable};
    leaf.bytes = redrawable ? random_bytes(random_, shape, t, low, high) : plain_bytes(shape, t, low, high);
    leaf.requires_grad = differentiates_ && is_inexact(t) && random_.chance(0.6);
    machine_.add(leaf);
    p_.features.emplace("dtype", std::string(name_of(t)));
    p_.leaves.push_back(std::move(leaf));
    return p_.tensors - 1;
  }
  // Nothing but what lies between low and high: labels and the like.
  std::vector<std::byte> plain_bytes(const Dims& shape, DType t, double low, double high) {
    std::vector<double> values(static_cast<size_t>(eager::product(shape)));
    for (double& v : values) v = random_.real(low, high);
    return bytes_from(values, t);
  }
  static std::vector<std::byte> bytes_from(const std::vector<double>& values, DType t) {
    return kiln::testing::bytes_of(kiln::testing::filled({static_cast<int64_t>(values.size())}, t, values));
  }

  // A tensor of this shape in some layout: whole, or a view of a larger, turned, flipped or smaller leaf.
  TensorId leaf(const Dims& shape, DType t, double low = -2, double high = 2) {
    if (shape.empty() || random_.chance(0.6)) return whole_leaf(shape, t, low, high);
    const int rank = shape.size();
    std::optional<TensorId> view;
    switch (random_.between(0, 3)) {
      case 0: {  // axes in another order
        Dims order, turned = shape;
        for (int64_t i = 0; i < rank; ++i) order.push_back(i);
        for (int i = rank - 1; i > 0; --i) std::swap(order[i], order[static_cast<int>(random_.between(0, i))]);
        for (int i = 0; i < rank; ++i) turned[static_cast<int>(order[i])] = shape[i];
        view = call("permute_dims", {whole_leaf(turned, t, low, high)}, {order});
      } break;
      case 1: {  // backwards
        Dims axes;
        for (int64_t i = 0; i < rank; ++i)
          if (axes.empty() || random_.chance(0.5)) axes.push_back(i);
        view = call("flip", {whole_leaf(shape, t, low, high)}, {axes});
      } break;
      case 2: {  // broadcast
        Dims small = shape;
        for (int i = 0; i < rank; ++i)
          if (random_.chance(0.5)) small[i] = 1;
        while (!small.empty() && small[0] == 1 && random_.chance(0.3)) small.erase(0);
        view = call("broadcast_to", {whole_leaf(small, t, low, high)}, {shape});
      } break;
      default: {  // every so many elements of a larger one
        Dims larger, starts, stops, steps;
        for (int64_t extent : shape) {
          const int64_t step = random_.chance(0.6) ? 1 : random_.between(2, 3), start = random_.between(0, 2);
          const int64_t end = start + std::max<int64_t>(extent - 1, 0) * step + 1;
          larger.push_back(end + random_.between(0, 2));
          const bool backwards = extent > 0 && random_.chance(0.2);
          starts.push_back(backwards ? end - 1 : start);
          stops.push_back(extent == 0 ? start : backwards ? start - 1 : end);
          steps.push_back(backwards ? -step : step);
        }
        if (eager::product(larger) > kMaxElements) return whole_leaf(shape, t, low, high);
        view = call("slice", {whole_leaf(larger, t, low, high)}, {starts, stops, steps});
      }
    }
    return view ? *view : whole_leaf(shape, t, low, high);
  }
  TensorId any_leaf() { return leaf(shape(), dtype()); }

  // ---- calls from parameters ----------------------------------------------------------------------------------------

  static bool takes(const Parameter& p, const Tensor& t) { return kiln::testing::takes(p, t.dtype()); }
  DType dtype_for(const Parameter& p) {
    for (int i = 0; i < 20; ++i)
      if (const DType t = dtype(); kiln::testing::takes(p, t)) return t;
    return DType::F32;
  }
  static bool fits(const Dims& a, const Dims& b) {
    for (int i = 1; i <= std::min(a.size(), b.size()); ++i)
      if (a[a.size() - i] != b[b.size() - i] && a[a.size() - i] != 1 && b[b.size() - i] != 1) return false;
    return a == b || eager::product(a) <= kLarge || eager::product(b) <= kLarge;
  }
  Dims broadcastable(Dims d) {
    for (int64_t& extent : d)
      if (random_.chance(0.3)) extent = 1;
    while (!d.empty() && random_.chance(0.2)) d.erase(0);
    return d;
  }

  Ref operand(const Parameter& p, const std::optional<TensorId>& first, bool numbers) {
    if (p.kind == Kind::optional_tensor && random_.chance(0.3)) return std::monostate{};
    if (numbers && first && random_.chance(0.2)) return random_scalar(random_, random_.one_of(kScalarKinds));
    const Dims like = first ? at(*first).shape() : Dims{};
    if (first && random_.chance(0.15) && takes(p, at(*first))) return *first;
    if (random_.chance(0.75))
      if (const auto id = one([&](const Tensor& t) { return takes(p, t) && (!first || fits(t.shape(), like)); })) return *id;
    return first ? leaf(broadcastable(like), dtype_for(p)) : leaf(shape(), dtype_for(p));
  }

  // A number that might mean something for a tensor of this shape: an axis, an extent, a small count.
  int64_t number_near(const Dims& d) {
    if (!d.empty() && random_.chance(0.3)) return random_.one_of(d);
    return random_.between(-d.size() - 1, std::max(d.size(), 3));
  }
  Dims dims_near(const Dims& d, bool axes) {
    Dims result;
    const auto rank = static_cast<int64_t>(d.size());
    if (axes) {
      for (int64_t axis = 0; axis < rank; ++axis)
        if (random_.chance(0.5)) result.push_back(random_.chance(0.2) ? axis - rank : axis);
    } else if (random_.chance(0.3)) {  // the same elements under another shape
      result = d;
      if (result.size() > 1) {
        const int i = static_cast<int>(random_.between(0, result.size() - 2));
        result[i + 1] *= result[i];
        result.erase(i);
      } else {
        result.insert(0, 1);
      }
      if (random_.chance(0.3) && !result.empty()) result[static_cast<int>(random_.between(0, result.size() - 1))] = -1;
    } else {
      for (int64_t extent : d) result.push_back(random_.chance(0.5) ? extent : random_.between(-1, std::min<int64_t>(extent + 1, 12)));
    }
    return result;
  }
  // A value that some sample gives this attribute.
  Attr from_samples(const Operator& op, size_t number, const Attr& otherwise) {
    const Sample& s = random_.one_of(op.samples);
    return number < s.attrs.size() ? s.attrs[number] : otherwise;
  }
  Attr attribute(const Operator& op, const Parameter& p, size_t number, const Dims& like) {
    if (p.has_default && random_.chance(0.3)) return p.default_value;
    if (p.kind == Kind::string || random_.chance(0.2)) return from_samples(op, number, p.default_value);
    switch (p.kind) {
      case Kind::boolean: return random_.chance(0.5);
      case Kind::integer: return number_near(like);
      case Kind::number: return random_.chance(0.5) ? Attr(number_near(like)) : Attr(random_.real(-2, 2));
      case Kind::dtype: return dtype();
      case Kind::axes:
        if (random_.chance(0.5) && !like.empty()) return random_.between(-like.size(), like.size() - 1);
        return dims_near(like, true);
      case Kind::shape: return dims_near(like, random_.chance(0.3));
      default: return p.default_value;
    }
  }

  Step call_from_parameters(const Operator& op, std::optional<TensorId> first) {
    Step s{.op = &op};
    const bool numbers = op.body || op.compose;
    for (const Parameter& p : op.parameters) {
      if (!p.is_operand()) continue;
      for (int64_t n = p.kind == Kind::tensors ? random_.between(1, 4) : 1; n-- > 0;) {
        if (first && s.operands.empty()) s.operands.emplace_back(*first);
        else s.operands.push_back(operand(p, first, numbers && p.kind != Kind::tensors));
        if (const auto* id = std::get_if<TensorId>(&s.operands.back()); id && !first) first = *id;
      }
    }
    const Dims like = first ? at(*first).shape() : shape(64);
    for (const Parameter& p : op.parameters)
      if (!p.is_operand()) s.attrs.push_back(attribute(op, p, s.attrs.size(), like));
    return s;
  }

  // ---- calls from samples -------------------------------------------------------------------------------------------

  // Extents of a sample under other numbers: equal ones stay equal, 0 and 1 stay what they are.
  class Extents {
   public:
    bool bind(const Dims& from, const Dims& to) {
      std::map<int64_t, int64_t> more = to_;
      for (int i = 0; i < from.size(); ++i)
        if (!more.try_emplace(from[i], to[i]).first->second || more[from[i]] != to[i] || (from[i] <= 1 && to[i] != from[i])) return false;
      to_ = std::move(more);
      return true;
    }
    int64_t operator()(int64_t from, int64_t fresh) { return from <= 1 ? from : to_.try_emplace(from, fresh).first->second; }

   private:
    std::map<int64_t, int64_t> to_;
  };

  Dims replaced(Extents& extents, const Dims& d) {
    constexpr std::array<int64_t, 11> kSome{1, 2, 3, 5, 7, 8, 16, 17, 32, 33, 48};
    Dims result;
    for (int64_t from : d) result.push_back(extents(from, random_.chance(0.4) ? from : random_.one_of(kSome)));
    if (d.size() == 1 && d[0] > 1 && random_.chance(0.05)) result[0] = extents(d[0], 4100);
    return result;
  }

  // A tensor of the pool as one of this shape: itself, or the beginning of its elements.
  std::optional<TensorId> shaped(const Dims& shape, const Parameter& p) {
    if (const auto same = one([&](const Tensor& t) { return t.shape() == shape && takes(p, t); })) return same;
    const int64_t n = eager::product(shape);
    const auto larger = one([&](const Tensor& t) { return t.numel() >= n && t.numel() <= 64 * std::max<int64_t>(n, 1) && takes(p, t); });
    if (!larger || n == 0) return std::nullopt;
    const auto flat = call("reshape", {*larger}, {Dims{-1}});
    if (!flat) return std::nullopt;
    const auto part = at(*flat).numel() == n ? flat : call("slice", {*flat}, {Dims{0}, Dims{n}, Dims{}});
    return part ? call("reshape", {*part}, {shape}) : std::nullopt;
  }

  Step call_from_sample(const Operator& op) {
    const Sample& sample = random_.one_of(op.samples);
    Step s{.op = &op, .attrs = sample.attrs};
    if (s.attrs.empty())
      for (const Parameter& p : op.parameters)
        if (!p.is_operand()) s.attrs.push_back(p.default_value);
    Extents extents;
    const bool replace = random_.chance(0.7) && std::ranges::none_of(sample.operands, [](const auto& o) {
                           const auto* t = std::get_if<SampleTensor>(&o);
                           return t && !t->values.empty();
                         });
    // One operand from the pool decides the extents of the others.
    std::map<size_t, TensorId> bound;
    for (size_t i = 0; replace && i < sample.operands.size() && bound.empty(); ++i) {
      const auto* t = std::get_if<SampleTensor>(&sample.operands[i]);
      const Parameter* p = kiln::testing::operand_parameter(op, i);
      if (!t || t->dtype || !p || random_.chance(0.3)) continue;
      const auto id = one([&](const Tensor& x) { return x.rank() == t->shape.size() && takes(*p, x) && x.numel() <= kLarge * 4; });
      if (id && extents.bind(t->shape, at(*id).shape())) bound[i] = *id;
    }
    const DType common = bound.empty() ? dtype() : at(bound.begin()->second).dtype();
    for (size_t i = 0; i < sample.operands.size(); ++i) {
      if (const auto* number = std::get_if<Scalar>(&sample.operands[i])) {
        s.operands.emplace_back(*number);
      } else if (bound.contains(i)) {
        s.operands.emplace_back(bound[i]);
      } else {
        const auto& t = std::get<SampleTensor>(sample.operands[i]);
        const Parameter* p = kiln::testing::operand_parameter(op, i);
        s.operands.emplace_back(sample_operand(t, p ? *p : Parameter{}, replace ? replaced(extents, t.shape) : t.shape, common));
      }
    }
    const bool sequence = !op.parameters.empty() && op.parameters[0].kind == Kind::tensors;
    size_t count = 0;
    for (const Parameter& p : op.parameters) count += p.is_operand();
    if (!sequence) s.operands.resize(std::max(count, s.operands.size()));
    return s;
  }

  TensorId sample_operand(const SampleTensor& t, const Parameter& p, const Dims& shape, DType common) {
    const DType own = t.dtype ? *t.dtype : kiln::testing::takes(p, common) && random_.chance(0.85) ? common : dtype_for(p);
    if (!t.values.empty()) {
      const TensorId id = whole_leaf(t.shape, own, 0, 1);
      Leaf& leaf = p_.leaves.back();
      leaf.bytes = bytes_from(t.values, own);
      leaf.redrawable = !t.dtype;
      machine_.add(leaf);
      return id;
    }
    if (eager::product(shape) > kMaxElements) return whole_leaf({}, own);
    if (t.dtype && !is_floating(*t.dtype)) return whole_leaf(shape, own, t.low, t.high, false);  // labels, indices
    if (random_.chance(0.4))
      if (const auto id = shaped(shape, p)) return *id;
    return leaf(shape, own, t.low, t.high);
  }

  // ---- actions ------------------------------------------------------------------------------------------------------

  // Few results of many elements: what is cut over two kernels. Of plain numbers, which show in what order they were taken.
  void long_reduction() {
    struct Long {
      Dims shape;
      int64_t axis;
    };
    static const std::array<Long, 5> longs{{{{70'000}, 0}, {{2, 33'000}, -1}, {{4, 17'000}, 1}, {{4'400, 16}, 0}, {{2, 2'100, 17}, 1}}};
    static const std::vector<const Operator*> reductions = [] {
      std::vector<const Operator*> all;
      for (const Operator* op : callable())
        if (op->reduction) all.push_back(op);
      return all;
    }();
    const auto& [shape, axis] = random_.one_of(longs);
    const Operator& op = *random_.one_of(reductions);
    const DType t = dtype_for(op.parameters[0]);
    most_ = kMostElements;
    std::vector<TensorId> made{whole_leaf(shape, t, -2, 2, false)};
    if (random_.chance(0.5) && is_floating(t))
      if (const auto product = call("multiply", {made[0], Scalar(1.25)})) made.push_back(*product);
    Attrs attrs{Attr(axis), Attr(random_.chance(0.5))};
    size_t number = 0;
    for (const Parameter& p : op.parameters)
      if (!p.is_operand() && number++ >= attrs.size()) attrs.push_back(p.default_value);
    if (emit({.op = &op, .operands = {made.back()}, .attrs = attrs})) p_.features.emplace("event", "long reduction");
    for (const TensorId id : made) emit({.kind = Step::Kind::drop, .target = id});  // others would make far larger ones of them
    most_ = kMaxElements;
  }

  void action() {
    if (random_.chance(0.003)) return long_reduction();
    if (random_.chance(0.12)) return write_in_place();
    if (random_.chance(0.10)) return alias();
    if (random_.chance(0.08)) return view();
    if (random_.chance(0.10)) return drop();
    if (random_.chance(0.03)) {
      if (const auto id = any()) emit({.kind = Step::Kind::read, .target = *id});
      return;
    }
    if (differentiates_ && random_.chance(0.06)) return differentiate();
    const auto& operators = callable();
    for (int attempt = 0; attempt < 8; ++attempt)
      if (const Operator& op = *random_.one_of(operators); call_operator(op)) return;
  }

  // Operators without a sample give what cannot be compared: memory as it was.
  static const std::vector<const Operator*>& callable() {
    static const std::vector<const Operator*> all = [] {
      std::vector<const Operator*> with_samples;
      for (const Operator* op : eager::all_operators())
        if (!op->samples.empty()) with_samples.push_back(op);
      return with_samples;
    }();
    return all;
  }

  bool call_operator(const Operator& op) {
    for (int attempt = 0; attempt < 4; ++attempt) {
      const bool small = attempt < 3 && random_.chance(0.55);
      if (emit(small ? call_from_parameters(op, std::nullopt) : call_from_sample(op))) return true;
    }
    return false;
  }

  // target <- op(target, ...) or target[...] = value, mostly of tensors that are no leaves with gradients.
  void write_in_place() {
    const auto target = one([&](const Tensor& t) { return !t.requires_grad() || random_.chance(0.3); });
    if (!target) return;
    const bool no_grad = differentiates_ && random_.chance(0.5);
    if (random_.chance(0.4)) {
      const auto source = one([&](const Tensor& t) { return eager::broadcastable_to(t.shape(), at(*target).shape()); });
      const Ref value = source && random_.chance(0.8) ? Ref(*source) : Ref(random_scalar(random_, random_.one_of(kScalarKinds)));
      emit({.kind = Step::Kind::write, .operands = {value}, .target = *target, .no_grad = no_grad});
      return;
    }
    for (int attempt = 0; attempt < 8; ++attempt) {
      const Operator& op = *random_.one_of(callable());
      if (op.outputs != 1 || op.parameters.empty() || !op.parameters[0].is_operand()) continue;
      Step s = call_from_parameters(op, *target);
      s.kind = Step::Kind::in_place;
      s.target = *target;
      s.no_grad = no_grad;
      if (emit(std::move(s))) return;
    }
  }

  std::optional<TensorId> sliced(TensorId x, int axis, int64_t start, int64_t stop, int64_t step = 1) {
    Dims starts, stops, steps;
    for (int i = 0; i < axis; ++i) starts.push_back(0), stops.push_back(at(x).shape()[i]), steps.push_back(1);
    starts.push_back(start), stops.push_back(stop), steps.push_back(step);
    return call("slice", {x}, {starts, stops, steps});
  }

  void view() {
    const auto x = one([](const Tensor& t) { return t.rank() > 0; });
    if (!x) return;
    const int rank = at(*x).rank(), axis = static_cast<int>(random_.between(0, rank - 1));
    const int64_t extent = at(*x).shape()[axis];
    switch (random_.between(0, 5)) {
      case 0: call("flip", {*x}, {int64_t{axis}}); break;
      case 1: call("swapaxes", {*x}, {int64_t{axis}, random_.between(0, rank - 1)}); break;
      case 2:
        if (extent > 0) sliced(*x, axis, random_.between(0, extent - 1), extent, random_.between(1, 3));
        break;
      case 3: sliced(*x, axis, 0, random_.between(0, extent)); break;
      case 4: call("expand_dims", {*x}, {random_.between(0, rank)}); break;
      default: {
        Dims wider = at(*x).shape();
        for (int64_t& e : wider)
          if (e == 1) e = random_.between(1, 6);
        if (wider.size() < 4) wider.insert(0, random_.between(1, 4));
        call("broadcast_to", {*x}, {wider});
      }
    }
  }

  // Writes whose source and destination share memory.
  void alias() {
    const auto x = one([](const Tensor& t) { return t.rank() > 0 && t.numel() > 0 && !t.requires_grad(); });
    if (!x) return;
    const int rank = at(*x).rank(), axis = static_cast<int>(random_.between(0, rank - 1));
    const int64_t extent = at(*x).shape()[axis];
    const auto write = [&](std::optional<TensorId> to, std::optional<TensorId> from) {
      if (to && from) emit({.kind = Step::Kind::write, .operands = {*from}, .target = *to});
    };
    switch (random_.between(0, 5)) {
      case 0: {  // x[1:] += x[:-1], and the other way round
        const auto later = sliced(*x, axis, std::min<int64_t>(1, extent), extent), earlier = sliced(*x, axis, 0, extent - 1);
        if (!later || !earlier) return;
        const auto [to, from] = random_.chance(0.5) ? std::pair(*later, *earlier) : std::pair(*earlier, *later);
        if (random_.chance(0.4)) return write(to, from);
        emit({.kind = Step::Kind::in_place, .op = eager::find_operator("add"), .operands = {to, from}, .target = to});
      } break;
      case 1: write(*x, call("flip", {*x}, {int64_t{axis}})); break;
      case 2:  // x[...] = x.T
        for (int other = 0; other < rank; ++other)
          if (other != axis && at(*x).shape()[other] == extent) return write(*x, call("swapaxes", {*x}, {int64_t{axis}, int64_t{other}}));
        write(*x, *x);
        break;
      case 3: {  // two of a kind change places
        const Dims shape = at(*x).shape();
        const DType dtype = at(*x).dtype();
        auto y = one([&](const Tensor& t) { return t.shape() == shape && t.dtype() == dtype && !t.requires_grad() && !t.same_as(at(*x)); });
        if (!y) y = whole_leaf(shape, dtype);
        const auto kept = call("copy", {*x});
        write(*x, *y);
        write(*y, kept);
        p_.features.emplace("aliasing", "swap");
      } break;
      case 4: {  // the halves change places
        const int64_t half = extent / 2;
        const auto top = sliced(*x, axis, 0, half), bottom = sliced(*x, axis, extent - half, extent);
        if (!top || !bottom) return;
        const auto kept = call("copy", {*top});
        write(*top, *bottom);
        write(*bottom, kept);
      } break;
      default: {  // a row over all rows
        const auto row = sliced(*x, 0, extent > 1 ? 0 : at(*x).shape()[0] - 1, extent > 1 ? 1 : at(*x).shape()[0]);
        write(*x, row);
      }
    }
  }

  void drop() {
    if (const auto id = any()) emit({.kind = Step::Kind::drop, .target = *id});
  }

  // backward() from something, then perhaps a look at a gradient, and a step of an optimiser.
  void differentiate() {
    const auto root = one([](const Tensor& t) { return is_inexact(t.dtype()) && t.requires_grad(); });
    if (!root) return;
    Ref seed;
    if (at(*root).numel() != 1 || is_complex(at(*root).dtype()) || random_.chance(0.1))
      seed = whole_leaf(at(*root).shape(), at(*root).dtype());
    if (!emit({.kind = Step::Kind::backward, .operands = {seed}, .target = *root})) return;
    for (TensorId id : those([](const Tensor& t) { return t.requires_grad() && t.is_leaf(); })) {
      const auto* state = at(id).impl()->autograd.get();
      if (state == nullptr || !state->grad || !random_.chance(0.4)) continue;
      const auto gradient = emit({.kind = Step::Kind::gradient, .target = id}, 1);
      if (!gradient || !random_.chance(0.5)) continue;
      const auto step = call("multiply", {*gradient, Scalar(0.1)});
      if (step)
        emit(
            {.kind = Step::Kind::in_place, .op = eager::find_operator("subtract"), .operands = {id, *step}, .target = id, .no_grad = true});
    }
  }

  static constexpr std::array kScalarKinds{DTypeKind::floating, DTypeKind::floating, DTypeKind::signed_integer, DTypeKind::boolean};

  Random random_;
  int64_t most_ = kMaxElements;  // of a call's result
  const bool differentiates_;
  Program p_;
  Machine machine_;
};

}  // namespace

Program random_program(uint64_t seed) { return Generator(seed).make(); }

}  // namespace kiln::fuzz
