// What holds for every operator, whoever defined it: samples run in every dtype, every back end and layout gives the same bits, gradients are
// the slopes that differences measure.
#include <gtest/gtest.h>

#include <cmath>

#include "codegen/compiler.h"
#include "tests/cpp/eager/samples.h"

namespace kiln::testing {
namespace {

const Op add{"add"}, multiply{"multiply"}, sum{"sum"}, copy{"copy"}, flip{"flip"}, permute_dims{"permute_dims"}, real{"real"}, imag{"imag"};

struct ForcedBackend {
  explicit ForcedBackend(codegen::BackendKind kind) : before(codegen::forced_backend()) { codegen::force_backend(kind); }
  ~ForcedBackend() { codegen::force_backend(before); }
  std::optional<codegen::BackendKind> before;
};

void expect_same_bits(const Tensors& a, const Tensors& b, const std::string& what) {
  ASSERT_EQ(a.size(), b.size()) << what;
  for (size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(a[i].dtype(), b[i].dtype()) << what;
    ASSERT_EQ(a[i].shape(), b[i].shape()) << what;
    const auto x = bytes_of(a[i]), y = bytes_of(b[i]);
    const auto [at, other] = std::mismatch(x.begin(), x.end(), y.begin());
    if (at == x.end()) continue;
    const auto element = (at - x.begin()) / size_of(a[i].dtype());
    ADD_FAILURE() << what << ": output " << i << " differs first at element " << element;
  }
}

bool leaves_memory_as_it_was(const Operator& op) { return op.name == "empty" || op.name == "empty_like"; }

TEST(AllOperators, SayWhatTheyAre) {
  for (const Operator* op : all_operators()) {
    EXPECT_FALSE(op->doc.empty()) << op->name;
    if (!leaves_memory_as_it_was(*op)) { EXPECT_FALSE(op->samples.empty()) << op->name; }
  }
}

TEST(AllOperators, GiveWhatTheyInfer) {
  for_each_sample([](const SampleCall& c) {
    const Tensors outputs = c();
    if (c.op->compose || c.op->random) return;
    const std::vector<TensorType> types = infer(*c.op, {c.operands, c.attrs});
    for (size_t i = 0; i < types.size(); ++i) EXPECT_EQ(types[i], (TensorType{outputs[i].dtype(), outputs[i].shape()})) << describe(c);
  });
}

TEST(AllOperators, GiveTheSameBitsFromEveryBackEnd) {
  for_each_sample([](const SampleCall& c) {
    if (leaves_memory_as_it_was(*c.op)) return;
    Tensors interpreted, compiled;
    {
      const ForcedBackend forced(codegen::BackendKind::interpreter);
      interpreted = c();
    }
    {
      const ForcedBackend forced(codegen::BackendKind::asmjit);
      compiled = c();
    }
    expect_same_bits(interpreted, compiled, describe(c));
  });
}

// The same elements in another order of memory: axes reversed, or every axis backwards.
Tensor laid_out(const Tensor& x, bool backwards) {
  if (backwards) return flip(copy(flip(x)));
  Dims reversed;
  for (int i = x.rank() - 1; i >= 0; --i) reversed.push_back(i);
  return permute_dims(copy(permute_dims(x, reversed)), reversed);
}

TEST(AllOperators, GiveTheSameBitsFromEveryLayout) {
  for_each_sample([](const SampleCall& c) {
    if (leaves_memory_as_it_was(*c.op) || c.op->name == "view") return;  // view refuses awkward strides by contract
    const Tensors plain = c();
    for (const bool backwards : {false, true}) {
      SampleCall strided = c;
      for (Operand& o : strided.operands)
        if (o.is_tensor()) o = laid_out(o.tensor, backwards);
      expect_same_bits(plain, strided(), describe(c) + (backwards ? " backwards" : " with axes reversed"));
    }
  });
}

// ---- gradients ------------------------------------------------------------------------------------------------------

// The scalar function that is differentiated: f64 outputs, and the parts of complex128 ones, weighted by fixed random numbers (f32 has too few
// bits to measure slopes).
Tensor weighted(const Tensors& outputs, uint64_t seed) {
  std::mt19937_64 random(seed);
  Tensor total;
  const auto count = [&](const Tensor& y) {
    const Tensor part = sum(multiply(y, drawn(y.shape(), DType::F64, 0.5, 1.5, random)), std::monostate());
    total = total ? add(total, part) : part;
  };
  for (const Tensor& y : outputs) {
    if (!y) continue;
    if (y.dtype() == DType::F64) count(y);
    if (y.dtype() != DType::C128) continue;
    count(real(y));
    count(imag(y));
  }
  return total;
}

double value(const Tensor& t) { return values_of<double>(t)[0]; }

struct Differentiable {
  SampleCall c;
  std::vector<Tensor> inputs;  // the floating and complex operands, leaves
};
std::optional<Differentiable> differentiable(const SampleCall& c) {
  Differentiable d{c, {}};
  for (const Operand& o : c.operands)
    if (o.is_tensor() && real_of(o.tensor.dtype()) == DType::F64 && o.tensor.numel() > 0) {
      o.tensor.autograd().requires_grad = true;
      d.inputs.push_back(o.tensor);
    }
  if (d.inputs.empty() || !c.random_values) return std::nullopt;
  return d;
}

double& element(const Tensor& t, int64_t i) { return reinterpret_cast<double*>(t.storage().data_for_write())[i]; }

// Central differences of f at a few elements of x, of complex ones along either part, against `slope`.
void expect_slopes(const Tensor& x, const Tensor& slope, const std::function<double()>& f, double tolerance, const std::string& what) {
  const int64_t count = x.numel() * parts_of(x.dtype());
  const std::vector<double> given = slope ? values_of<double>(slope) : std::vector<double>(static_cast<size_t>(count), 0.0);
  const int64_t step = std::max<int64_t>(1, count / 17);
  for (int64_t i = 0; i < count; i += step) {
    const double at = element(x, i), h = 1e-5 * std::max(1.0, std::abs(at));
    element(x, i) = at + h;
    const double above = f();
    element(x, i) = at - h;
    const double below = f();
    element(x, i) = at;
    const double measured = (above - below) / (2 * h);
    const double difference = std::abs(given[static_cast<size_t>(i)] - measured);
    if (difference <= tolerance * std::max(1.0, std::abs(measured))) continue;
    ADD_FAILURE() << what << ", element " << i << ": " << given[static_cast<size_t>(i)] << ", differences measure " << measured;
    return;
  }
}

TEST(AllOperators, HaveTheGradientsThatDifferencesMeasure) {
  int checked = 0;
  for_each_sample([&](const SampleCall& sample) {
    const auto d = differentiable(sample);
    if (!d) return;
    const Tensor root = weighted(d->c(), 1);
    if (!root || !root.requires_grad() || !std::isfinite(value(root))) return;  // a product that overflows has no slope to measure
    const Tensor roots[] = {root};
    const Tensors slopes = gradients(roots, {}, d->inputs, false, false);
    ++checked;
    for (size_t i = 0; i < d->inputs.size(); ++i) {
      if (slopes[i]) { ASSERT_EQ(slopes[i].shape(), d->inputs[i].shape()) << describe(sample); }
      expect_slopes(
          d->inputs[i], slopes[i],
          [&] {
            const NoGrad no_grad;
            return value(weighted(d->c(), 1));
          },
          2e-5, describe(sample) + ", operand " + std::to_string(i));
    }
  });
  EXPECT_GT(checked, 100);
}

TEST(AllOperators, HaveSecondDerivatives) {
  for_each_sample([](const SampleCall& sample) {
    const auto d = differentiable(sample);
    if (!d) return;
    const auto first = [&]() -> Tensor {
      const Tensor root = weighted(d->c(), 1);
      if (!root || !root.requires_grad() || !std::isfinite(value(root))) return {};
      const Tensor roots[] = {root};
      return weighted(gradients(roots, {}, d->inputs, true, true), 2);
    };
    const Tensor root = first();
    if (!root) return;
    Tensors slopes(d->inputs.size());
    const Tensor roots[] = {root};
    if (root.requires_grad()) slopes = gradients(roots, {}, d->inputs, false, false);
    for (size_t i = 0; i < d->inputs.size(); ++i)
      expect_slopes(d->inputs[i], slopes[i], [&] { return value(first()); }, 1e-4, describe(sample) + ", operand " + std::to_string(i));
  });
}

}  // namespace
}  // namespace kiln::testing
