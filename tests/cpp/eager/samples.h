// Turns an operator's samples into calls: operands made of their values or drawn from a seed, attributes given or defaulted.
#pragma once

#include <cstring>
#include <random>

#include "eager/dispatch.h"
#include "eager/generator.h"
#include "eager/promotion.h"
#include "eager/tape.h"

namespace kiln::testing {

using namespace eager;  // NOLINT: tests speak the room's words

struct SampleCall {
  const Operator* op = nullptr;
  std::vector<Operand> operands;
  Attrs attrs;
  bool random_values = true;  // no tensor came with values of its own

  Tensors operator()() const {
    set_generator_state({.key = 7, .call = 3});  // random operators draw the same each time
    Tensors outputs(static_cast<size_t>(op->outputs));
    call(*op, operands, attrs, outputs.data());
    return outputs;
  }
};

inline Tensor filled(const Dims& shape, DType dtype, const std::vector<double>& values) {
  const Tensor t = Tensor::empty(shape, dtype);
  std::byte* data = t.storage().data_for_write();
  for (int64_t i = 0; i < t.numel(); ++i) {
    const DType part = real_of(dtype);
    const auto put = [&](int64_t at, double value) {
      const uint64_t bits = Scalar(value).bits_as(part);
      std::memcpy(data + at * size_of(part), &bits, static_cast<size_t>(size_of(part)));
    };
    put(i * parts_of(dtype), values[static_cast<size_t>(i)]);
    // Each beside another: a stride that meets all pairs of special values.
    if (is_complex(dtype)) put(2 * i + 1, values[static_cast<size_t>((i * 5 + 3) % t.numel())]);
  }
  return t;
}

inline Tensor drawn(const Dims& shape, DType dtype, double low, double high, std::mt19937_64& random) {
  std::vector<double> values(static_cast<size_t>(product(shape)));
  for (double& v : values) v = std::uniform_real_distribution<double>(low, high)(random);
  return filled(shape, dtype, values);
}

inline const Parameter* operand_parameter(const Operator& op, size_t operand) {
  for (const Parameter& p : op.parameters) {
    if (!p.is_operand()) continue;
    if (p.kind == Parameter::Kind::tensors || operand-- == 0) return &p;
  }
  return nullptr;
}

// May a tensor of this dtype be given: accepted as it is, or promoted to the default floating dtype.
inline bool takes(const Parameter& p, DType dtype) {
  return codegen::accepts(p.accepts, dtype) ||
         ((p.accepts == codegen::kFloats || p.accepts == codegen::kInexact) && !is_inexact(dtype) && p.promotes);
}

// The sample in one dtype, where all its free operands take that; nullopt otherwise, or where no operand is free and `dtype` is not the first.
inline std::optional<SampleCall> instantiate(const Operator& op, const Sample& sample, DType dtype, uint64_t seed) {
  std::mt19937_64 random(seed);
  SampleCall c{.op = &op};
  bool free = false;
  for (size_t i = 0; i < sample.operands.size(); ++i) {
    if (const Scalar* s = std::get_if<Scalar>(&sample.operands[i])) {
      c.operands.emplace_back(*s);
      continue;
    }
    const SampleTensor& t = std::get<SampleTensor>(sample.operands[i]);
    const Parameter* p = operand_parameter(op, i);
    if (!t.dtype && (p == nullptr || !takes(*p, dtype))) return std::nullopt;
    free |= !t.dtype;
    const DType own = t.dtype.value_or(dtype);
    if (!t.values.empty() && !t.dtype) c.random_values = false;
    c.operands.emplace_back(t.values.empty() ? drawn(t.shape, own, t.low, t.high, random) : filled(t.shape, own, t.values));
  }
  if (!free && dtype != DType::Bool) return std::nullopt;
  const bool sequence = !op.parameters.empty() && op.parameters[0].kind == Parameter::Kind::tensors;
  size_t operands = 0;
  for (const Parameter& p : op.parameters) {
    if (p.is_operand()) ++operands;
    else if (sample.attrs.empty()) c.attrs.push_back(p.default_value);
  }
  if (!sample.attrs.empty()) c.attrs = sample.attrs;
  for (const Attr& a : c.attrs)  // a cast that would lose imaginary parts, or an order that there is not
    if (const DType* to = std::get_if<DType>(&a); to != nullptr && is_complex(dtype) && !is_complex(*to) && *to != DType::Bool)
      return std::nullopt;
  for (const Attr& a : c.attrs)
    if (const std::string* how = std::get_if<std::string>(&a); how != nullptr && is_complex(dtype) && (*how == "max" || *how == "min"))
      return std::nullopt;
  while (!sequence && c.operands.size() < operands) c.operands.emplace_back();
  return c;
}

inline std::string describe(const SampleCall& c) {
  std::string text(c.op->name);
  for (const Operand& o : c.operands)
    text += o.is_tensor() ? " " + to_string(TensorType{o.tensor.dtype(), o.tensor.shape()})
            : o.present   ? " " + std::to_string(o.scalar.as_double())
                          : " -";
  return text;
}

// The elements in row-major order.
inline std::vector<std::byte> bytes_of(const Tensor& t) {
  static const Op copy{"copy"};
  const NoGrad no_grad;
  const Tensor dense = t.is_contiguous() ? t : copy(t);
  const std::byte* data = dense.data();
  return {data, data + dense.numel() * size_of(dense.dtype())};
}

template <class T>
std::vector<T> values_of(const Tensor& t) {
  const std::vector<std::byte> bytes = bytes_of(t);
  std::vector<T> values(bytes.size() / sizeof(T));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

// The same whatever other operators there are (FNV-1a).
inline uint64_t seed_of(std::string_view name) {
  uint64_t h = 0xcbf29ce484222325;
  for (const char c : name) h = (h ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return h;
}

// Calls f(call) for every operator, sample and dtype.
template <class F>
void for_each_sample(F f) {
  for (const Operator* op : all_operators())
    for (size_t i = 0; i < op->samples.size(); ++i)
      for (const DTypeInfo& t : kDTypes)
        if (const auto c = instantiate(*op, op->samples[i], t.dtype, seed_of(op->name) + i)) f(*c);
}

}  // namespace kiln::testing
