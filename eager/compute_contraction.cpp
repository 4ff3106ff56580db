// Contractions: the plan's layouts are made, its calls run, its results brought back to plain tensors.
#include <algorithm>

#include "codegen/allocator.h"
#include "eager/compute.h"
#include "eager/promotion.h"

namespace kiln::eager {
namespace {

using codegen::Layout;

// Memory the plan works in: a tensor's own, or a copy in another layout.
class Bytes {
 public:
  explicit Bytes(size_t bytes) : bytes_(bytes), data_(bytes ? codegen::allocate(bytes) : nullptr) {}
  ~Bytes() {
    if (data_) codegen::deallocate(data_, bytes_);
  }
  Bytes(Bytes&& o) noexcept : bytes_(o.bytes_), data_(std::exchange(o.data_, nullptr)) {}
  void* get() const { return data_; }

 private:
  size_t bytes_;
  void* data_;
};

std::array<int64_t, 4> nchw(const Dims& shape) {
  check(shape.size() == 4, "a blocked layout belongs to a tensor of four dimensions");
  return {shape[0], shape[1], shape[2], shape[3]};
}

bool anything_to_sum(const codegen::ContractionKey& key) {
  if (key.kind == codegen::ContractionKind::matmul) return key.batch * key.m * key.n * key.k != 0;
  return key.images * key.in_channels * key.in_height * key.in_width * key.out_channels * key.kernel_height * key.kernel_width != 0;
}

// Sums over nothing are zero; what remains is the bias.
void compute_nothing(const codegen::ContractionKey& key, std::span<const Tensor> inputs, const Tensor* outputs, size_t count) {
  for (size_t i = 0; i < count; ++i) copy_into(outputs[i], Scalar(0));
  const bool adds_bias = key.kind == codegen::ContractionKind::matmul || key.kind == codegen::ContractionKind::conv2d;
  if (!key.bias || !adds_bias) return;
  Tensor bias = inputs.back();
  if (key.kind == codegen::ContractionKind::conv2d) {  // [C] over [N, C, H, W]
    const Dims strides{bias.strides()[0], 0, 0};
    bias = Tensor::view(Ref<Storage>(&bias.storage()), bias.offset(), {bias.shape()[0], 1, 1}, strides, bias.dtype());
  }
  copy_into(outputs[0], bias);
}

codegen::ContractionKey key_of(const Operator& op, const Arguments& a) {
  std::vector<OperandType> types;
  for (const Operand& o : a.operands) types.push_back(type_of(o));
  return op.contraction(types, a.attrs);
}

}  // namespace

void require_library(const Operator& op, const Arguments& a) { codegen::require_library(key_of(op, a)); }

void compute_contraction(const Operator& op, const Arguments& a, std::span<const TensorType> types, Tensor* outputs) {
  bool empty = true;
  for (size_t i = 0; i < types.size(); ++i) empty &= make_output(outputs[i], types[i]).numel() == 0;
  if (empty) return;
  const codegen::ContractionKey key = key_of(op, a);

  std::vector<Tensor> inputs;
  for (const Operand& o : a.operands)
    if (o.present) inputs.push_back(dense(o.tensor, key.dtype));
  if (!anything_to_sum(key)) return compute_nothing(key, inputs, outputs, types.size());

  const auto plan = codegen::contraction_plan(key);
  std::vector<Bytes> reordered;
  std::vector<const void*> sources;
  for (size_t i = 0; i < inputs.size(); ++i) {
    sources.push_back(inputs[i].data());
    const Layout layout = plan->input_layouts()[i];
    if (layout == Layout::plain) continue;
    Bytes& copy = reordered.emplace_back(static_cast<size_t>(inputs[i].numel() * size_of(key.dtype)));
    codegen::reorder(static_cast<const float*>(sources[i]), Layout::plain, static_cast<float*>(copy.get()), layout,
                     nchw(inputs[i].shape()));
    sources[i] = copy.get();
  }
  std::vector<Tensor> results;  // dense, of the plan's dtype
  std::vector<void*> destinations;
  for (size_t i = 0; i < types.size(); ++i) {
    const bool direct = outputs[i].is_contiguous() && outputs[i].dtype() == key.dtype;
    results.push_back(direct ? outputs[i] : Tensor::empty(types[i].shape, key.dtype));
    destinations.push_back(results[i].data());
    if (plan->output_layouts()[i] != Layout::plain)
      destinations[i] = reordered.emplace_back(static_cast<size_t>(results[i].numel() * size_of(key.dtype))).get();
  }
  const Bytes scratch(plan->scratch_bytes());
  plan->run(sources, destinations, scratch.get());
  for (size_t i = 0; i < types.size(); ++i) {
    if (destinations[i] != results[i].data())
      codegen::reorder(static_cast<const float*>(destinations[i]), plan->output_layouts()[i], reinterpret_cast<float*>(results[i].data()),
                       Layout::plain, nchw(types[i].shape));
    if (!results[i].same_as(outputs[i])) copy_into(outputs[i], results[i]);
  }
}

}  // namespace kiln::eager
