#include "tests/cpp/fuzz/coverage.h"

#include <algorithm>
#include <sstream>

#include "tests/cpp/fuzz/machine.h"

namespace kiln::fuzz {
namespace {

using eager::Tensor;

constexpr std::array kLayouts{"whole",     "offset", "permuted", "backwards",      "broadcast",
                              "with gaps", "empty",  "0-d",      "over 4096 rows", "square"};
constexpr std::array kAliasing{"in place", "through a view",   "its own source",          "overlapping source",
                               "swap",     "one tensor twice", "two views of one storage"};
constexpr std::array kEvents{"drop", "read", "backward", "gradient", "raises", "under no_grad", "long reduction"};

void add_layout(const Tensor& t, Features& f) {
  const auto see = [&](const char* name) { f.emplace("layout", name); };
  if (t.rank() == 0) see("0-d");
  if (t.numel() == 0) return see("empty");
  if (t.is_contiguous() && t.offset() == 0) see("whole");
  if (t.offset() != 0) see("offset");
  if (std::ranges::any_of(t.shape(), [](int64_t extent) { return extent > 4096; })) see("over 4096 rows");
  if (t.rank() >= 2 && t.shape()[0] > 1 && std::ranges::all_of(t.shape(), [&](int64_t extent) { return extent == t.shape()[0]; }))
    see("square");
  int64_t last = 0, reach = 1;
  for (int d = t.rank(); d-- > 0;) {
    if (t.shape()[d] == 1) continue;
    const int64_t stride = t.strides()[d];
    if (stride == 0) see("broadcast");
    if (stride < 0) see("backwards");
    if (stride != 0 && std::abs(stride) < last) see("permuted");
    last = std::max(last, std::abs(stride));
    reach += (t.shape()[d] - 1) * std::abs(stride);
  }
  if (reach > t.numel()) see("with gaps");
}

// Offsets that a tensor can reach, in bytes.
std::pair<int64_t, int64_t> reach(const Tensor& t) {
  int64_t first = t.offset(), last = t.offset();
  for (int d = 0; d < t.rank(); ++d) (t.strides()[d] < 0 ? first : last) += (t.shape()[d] - 1) * t.strides()[d];
  return {first, last};
}

bool overlap(const Tensor& a, const Tensor& b) {
  const auto [a_first, a_last] = reach(a);
  const auto [b_first, b_last] = reach(b);
  return &a.storage() == &b.storage() && a_first <= b_last && b_first <= a_last;
}

}  // namespace

Features features_before(const Step& s, const Machine& m) {
  Features f;
  std::vector<TensorId> operands;
  for (const Ref& r : s.operands) {
    if (const auto* id = std::get_if<TensorId>(&r); id && m.has(*id)) operands.push_back(*id);
    if (const auto* number = std::get_if<Scalar>(&r)) {
      constexpr std::array kKinds{"bool", "int", "int", "float"};
      f.emplace("scalar", kKinds[static_cast<size_t>(number->kind)]);
    }
  }
  if (s.op != nullptr) f.emplace("operator", std::string(s.op->name));
  for (size_t i = 0; i < operands.size(); ++i) {
    const Tensor& t = m.at(operands[i]);
    add_layout(t, f);
    for (size_t j = 0; j < i; ++j) {
      if (operands[i] == operands[j]) f.emplace("aliasing", "one tensor twice");
      else if (&t.storage() == &m.at(operands[j]).storage()) f.emplace("aliasing", "two views of one storage");
    }
  }
  if (s.no_grad) f.emplace("event", "under no_grad");
  if (s.kind == Step::Kind::in_place || s.kind == Step::Kind::write) {
    const Tensor& target = m.at(s.target);
    f.emplace("aliasing", "in place");
    if (target.impl()->base) f.emplace("aliasing", "through a view");
    add_layout(target, f);
    for (TensorId id : operands) {
      if (id == s.target) f.emplace("aliasing", "its own source");
      else if (target.numel() > 0 && m.at(id).numel() > 0 && overlap(target, m.at(id))) f.emplace("aliasing", "overlapping source");
    }
  }
  switch (s.kind) {
    case Step::Kind::drop: f.emplace("event", "drop"); break;
    case Step::Kind::read: f.emplace("event", "read"); break;
    case Step::Kind::backward: f.emplace("event", "backward"); break;
    case Step::Kind::gradient: f.emplace("event", "gradient"); break;
    default: break;
  }
  return f;
}

void add_features_after(const Step& s, const Machine& m, Features& f) {
  for (TensorId id : s.outputs) {
    f.emplace("dtype", std::string(name_of(m.at(id).dtype())));
    add_layout(m.at(id), f);
  }
}

void Coverage::count(const Program& p) {
  ++programs_;
  for (const auto& [group, name] : p.features) ++counts_[group][name];
}

std::string Coverage::table() const {
  std::ostringstream out;
  out << "programs " << programs_ << "\n";
  for (const auto& [group, names] : counts_) {
    out << group << ":";
    for (const auto& [name, n] : names) out << "  " << name << " " << n;
    out << "\n";
  }
  return out.str();
}

std::vector<std::string> Coverage::rare() const {
  std::vector<std::string> out;
  const auto require = [&](const std::string& group, const std::string& name) {
    const auto names = counts_.find(group);
    const auto found = names == counts_.end() ? 0 : names->second.contains(name) ? names->second.at(name) : 0;
    if (found * 100 < programs_) out.push_back(group + " " + name + " (" + std::to_string(found) + ")");
  };
  for (const Operator* op : eager::all_operators())
    if (!op->samples.empty()) require("operator", std::string(op->name));
  for (const DTypeInfo& t : kDTypes) require("dtype", std::string(t.name));
  for (const char* name : kLayouts) require("layout", name);
  for (const char* name : kAliasing) require("aliasing", name);
  for (const char* name : kEvents) require("event", name);
  return out;
}

}  // namespace kiln::fuzz
