#include "eager/compute.h"

#include "eager/tape.h"

namespace kiln::eager {
namespace {

// Operators called on behalf of a computation that is under way are neither deferred nor put on the tape.
class Undeferred {
 public:
  Undeferred() : before_(current_recorder()) { set_recorder(nullptr); }
  ~Undeferred() { set_recorder(before_); }

 private:
  Recorder* before_;
  NoGrad no_grad_;
};

}  // namespace

Tensor compute_view(const Operator& op, const Arguments& a) {
  const Tensor& x = a.tensor(0);
  const ViewMap map = op.view(a);
  Tensor view = Tensor::view(Ref<Storage>(&x.storage()), map.offset, map.shape, map.strides, x.dtype());
  if (grad_enabled()) view.impl()->base = x.impl()->base ? x.impl()->base : Ref<TensorImpl>(x.impl());
  return view;
}

void compute(const Operator& op, const Arguments& a, std::span<const TensorType> types, Tensor* outputs) {
  if (op.body) return compute_pointwise(op, a, types, outputs);
  if (op.reduction) return compute_reduction(op, a, types, outputs);
  if (op.affine) return compute_affine(op, a, types, outputs);
  if (op.contraction) return compute_contraction(op, a, types, outputs);
  if (op.routine) return compute_routine(op, a, types, outputs);

  const Undeferred undeferred;
  Tensors results = op.view ? Tensors{compute_view(op, a)} : op.compose(a);
  for (size_t i = 0; i < results.size(); ++i) {
    if (outputs[i]) copy_into(outputs[i], results[i]);
    else outputs[i] = std::move(results[i]);
  }
}

}  // namespace kiln::eager
