#include "tests/cpp/fuzz/machine.h"

#include <cstring>
#include <functional>
#include <optional>

#include "codegen/backend_setting.h"
#include "codegen/simplify/simplify.h"
#include "codegen/thread_pool.h"
#include "codegen/tunables.h"
#include "eager/generator.h"
#include "tracer/recorder.h"

namespace kiln::fuzz {

using eager::Operand;
using eager::Tensor;

namespace {

// Small launches go to the pool too when a program runs on several threads.
class Threads {
 public:
  explicit Threads(int n) : before_(codegen::num_threads()), work_(codegen::value(codegen::Tunable::parallel_work)) {
    codegen::set_num_threads(n);
    if (n > 1) codegen::set_value(codegen::Tunable::parallel_work, 256);
  }
  ~Threads() {
    codegen::set_value(codegen::Tunable::parallel_work, work_);
    codegen::set_num_threads(before_);
  }
  Threads(const Threads&) = delete;

 private:
  int before_;
  int64_t work_;
};

class Simplified {
 public:
  explicit Simplified(bool on) : before_(codegen::simplification.exchange(on)) {}
  ~Simplified() { codegen::simplification = before_; }
  Simplified(const Simplified&) = delete;

 private:
  bool before_;
};

std::string hex(const std::byte* at, size_t bytes) {
  std::string out = "0x";
  for (size_t i = bytes; i-- > 0;) {
    constexpr char kDigits[] = "0123456789abcdef";
    out += kDigits[std::to_integer<int>(at[i]) >> 4];
    out += kDigits[std::to_integer<int>(at[i]) & 15];
  }
  return out;
}

}  // namespace

std::vector<std::byte> dense(const Tensor& t) {
  const auto size = static_cast<size_t>(size_of(t.dtype()));
  std::vector<std::byte> bytes(static_cast<size_t>(t.numel()) * size);
  if (bytes.empty()) return bytes;
  std::byte* to = bytes.data();
  const std::function<void(int, const std::byte*)> walk = [&](int axis, const std::byte* from) {
    if (axis == t.rank()) {
      std::memcpy(std::exchange(to, to + size), from, size);
      return;
    }
    for (int64_t i = 0; i < t.shape()[axis]; ++i) walk(axis + 1, from + i * t.strides()[axis] * static_cast<int64_t>(size));
  };
  walk(0, t.data());
  return bytes;
}

Tensor tensor_of(const Leaf& leaf) {
  Tensor t = Tensor::empty(leaf.shape, leaf.dtype);
  if (!leaf.bytes.empty()) std::memcpy(t.data(), leaf.bytes.data(), leaf.bytes.size());
  return t;
}

Machine::Machine() { eager::set_generator_state({.key = 7, .call = 3}); }

void Machine::keep(TensorId id, Tensor t) {
  if (pool_.size() <= static_cast<size_t>(id)) pool_.resize(static_cast<size_t>(id) + 1);
  pool_[static_cast<size_t>(id)] = std::move(t);
}

void Machine::add(const Leaf& leaf) { add(leaf, tensor_of(leaf)); }

void Machine::add(const Leaf& leaf, Tensor t) {
  if (leaf.requires_grad) t.autograd().requires_grad = true;
  keep(leaf.id, std::move(t));
  if (leaf.requires_grad) differentiated_.emplace_back(leaf.id, at(leaf.id));
}

Operand Machine::operand(const Ref& r) const {
  if (const auto* id = std::get_if<TensorId>(&r)) {
    if (!has(*id)) fail(ErrorCode::runtime, "t" + std::to_string(*id) + " is not there");
    return at(*id);
  }
  if (const auto* s = std::get_if<Scalar>(&r)) return *s;
  return {};
}

const Tensor& Machine::target(const Step& s) const {
  if (!has(s.target)) fail(ErrorCode::runtime, "t" + std::to_string(s.target) + " is not there");
  return at(s.target);
}

void Machine::perform(const Step& s) {
  std::optional<eager::NoGrad> no_grad;
  if (s.no_grad) no_grad.emplace();
  std::vector<Operand> operands;
  for (const Ref& r : s.operands) operands.push_back(operand(r));
  switch (s.kind) {
    case Step::Kind::call: {
      eager::Tensors outputs(s.outputs.size());
      eager::call(*s.op, operands, s.attrs, outputs.data());
      for (size_t i = 0; i < outputs.size(); ++i) keep(s.outputs[i], std::move(outputs[i]));
    } break;
    case Step::Kind::in_place: eager::call_in_place(*s.op, operands, s.attrs, target(s)); break;
    case Step::Kind::write: eager::write(target(s), operands[0]); break;
    case Step::Kind::drop: keep(s.target, {}); break;
    case Step::Kind::read:
      eager::materialise(target(s), eager::FlushReason::item);
      observe("t" + std::to_string(s.target) + " read in step " + std::to_string(step_), target(s));
      break;
    case Step::Kind::backward: eager::backward(target(s), operands[0].tensor); break;
    case Step::Kind::gradient: {
      const auto* state = target(s).impl()->autograd.get();
      if (state == nullptr || !state->grad) fail(ErrorCode::runtime, "no gradient");
      keep(s.outputs[0], *state->grad);
    } break;
  }
}

bool Machine::apply(const Step& s) {
  ++step_;
  try {
    perform(s);
    return true;
  } catch (const Error& e) {
    error_ = e.what();
    seen_.push_back({.what = "step " + std::to_string(step_) + " (" + to_string(s) + ")", .error = error_});
    return false;
  }
}

void Machine::observe(const std::string& what, const Tensor& t) {
  Observation o{.what = what};
  try {
    o.bytes = dense(t);
    o.type = {t.dtype(), t.shape()};
    o.requires_grad = t.requires_grad();
  } catch (const Error& e) { o.error = e.what(); }
  seen_.push_back(std::move(o));
}

std::vector<std::pair<std::string, Tensor>> Machine::visible() const {
  std::vector<std::pair<std::string, Tensor>> found;
  for (size_t id = 0; id < pool_.size(); ++id)
    if (pool_[id]) found.emplace_back("t" + std::to_string(id), pool_[id]);
  for (const auto& [id, leaf] : differentiated_)
    if (leaf.autograd().grad) found.emplace_back("gradient of t" + std::to_string(id), *leaf.autograd().grad);
  return found;
}

Outcome Machine::finish() {
  for (const auto& [what, t] : visible()) observe(what, t);
  return std::move(seen_);
}

Outcome run(const Program& p, const Setting& setting) {
  const codegen::BackendInstead backend(*setting.backend);
  const Threads threads(setting.threads);
  const Simplified simplified(setting.simplified);
  Machine machine;
  for (const Leaf& leaf : p.leaves) machine.add(leaf);
  if (!setting.segment) {
    for (const Step& s : p.steps) machine.apply(s);
    return machine.finish();
  }
  std::string error;
  {
    tracer::SegmentScope scope(std::make_shared<tracer::FunctionRecord>("program"));
    for (const Step& s : p.steps) machine.apply(s);
    try {
      scope.end(eager::FlushReason::function_end);
    } catch (const Error& e) { error = e.what(); }
  }
  Outcome seen = machine.finish();
  if (!error.empty()) seen.push_back({.what = "the end of the segment", .error = error});
  return seen;
}

std::string difference(const Outcome& expected, const Outcome& found) {
  for (size_t i = 0; i < std::min(expected.size(), found.size()); ++i) {
    const Observation &a = expected[i], &b = found[i];
    if (a.what != b.what) return "expected to see " + a.what + ", saw " + b.what + (b.error.empty() ? "" : ": " + b.error);
    if (a.error != b.error) return a.what + ": the error is '" + b.error + "', expected '" + a.error + "'";
    if (a.type != b.type) return a.what + " is " + eager::to_string(b.type) + ", expected " + eager::to_string(a.type);
    if (a.requires_grad != b.requires_grad) return a.what + " does not agree about requiring grad";
    const auto at = std::mismatch(a.bytes.begin(), a.bytes.end(), b.bytes.begin()).first;
    if (at == a.bytes.end()) continue;
    const auto size = static_cast<size_t>(size_of(a.type.dtype));
    const size_t element = static_cast<size_t>(at - a.bytes.begin()) / size;
    return a.what + ", " + eager::to_string(a.type) + ", differs first at element " + std::to_string(element) + ": " +
           hex(&b.bytes[element * size], size) + ", expected " + hex(&a.bytes[element * size], size);
  }
  if (expected.size() == found.size()) return "";
  const bool more = found.size() > expected.size();
  const Observation& o = more ? found[expected.size()] : expected[found.size()];
  return (more ? "unexpectedly saw " : "did not see ") + o.what + (o.error.empty() ? "" : ": " + o.error);
}

std::string describe(const Program& p) {
  Machine machine;
  std::string text;
  for (const Leaf& leaf : p.leaves) {
    machine.add(leaf);
    text += "t" + std::to_string(leaf.id) + " = leaf " + eager::to_string(eager::TensorType{leaf.dtype, leaf.shape}) +
            (leaf.requires_grad ? " that requires grad" : "") + "\n";
  }
  for (const Step& s : p.steps) {
    const bool done = machine.apply(s);
    text += to_string(s);
    if (!done) text += "  # raises " + machine.error();
    if (done)
      for (TensorId id : s.outputs) {
        const Tensor& t = machine.at(id);
        text += "  # " + eager::to_string(eager::TensorType{t.dtype(), t.shape()});
        if (!t.is_contiguous() || t.offset() != 0)
          text += " offset " + std::to_string(t.offset()) + " strides " + eager::to_string(t.strides());
      }
    text += "\n";
  }
  return text;
}

}  // namespace kiln::fuzz
