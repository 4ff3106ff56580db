// Library routines: operands are made dense, the routine fills dense outputs.
#include <algorithm>

#include "eager/compute.h"
#include "eager/promotion.h"
#include "eager/routine.h"

namespace kiln::eager {
namespace {

std::vector<DType> routine_dtypes(const Operator& op, const Arguments& a) {
  std::vector<OperandType> given;
  for (const Operand& o : a.operands) given.push_back(type_of(o));
  return operand_dtypes(op, given);
}

}  // namespace

bool is_ready(const Operator& op, const Arguments& a, std::span<const TensorType> types) {
  if (!op.routine) return false;
  for (const TensorType& t : types)
    if (std::ranges::count(t.shape, 0) > 0) return false;
  const std::vector<DType> dtypes = routine_dtypes(op, a);
  for (size_t i = 0; i < a.operands.size(); ++i)
    if (a.operands[i].is_tensor() && (!a.operands[i].tensor.is_contiguous() || a.operands[i].tensor.dtype() != dtypes[i])) return false;
  return true;
}

void compute_routine(const Operator& op, const Arguments& a, std::span<const TensorType> types, Tensor* outputs) {
  bool empty = true;
  for (size_t i = 0; i < types.size(); ++i) empty &= make_output(outputs[i], types[i]).numel() == 0;
  if (empty) return;

  const std::vector<DType> dtypes = routine_dtypes(op, a);
  std::vector<Operand> operands;
  for (size_t i = 0; i < a.operands.size(); ++i) {
    operands.push_back(a.operands[i]);
    if (a.operands[i].is_tensor()) operands[i] = dense(a.operands[i].tensor, dtypes[i]);
  }
  Tensors results;
  for (size_t i = 0; i < types.size(); ++i)
    results.push_back(outputs[i].is_contiguous() ? outputs[i] : Tensor::empty(types[i].shape, types[i].dtype));
  op.routine({operands, a.attrs}, results);
  for (size_t i = 0; i < types.size(); ++i)
    if (!results[i].same_as(outputs[i])) copy_into(outputs[i], results[i]);
}

}  // namespace kiln::eager
