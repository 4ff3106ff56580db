#include "eager/flat.h"

#include "codegen/backend_setting.h"
#include "codegen/thread_owned.h"

namespace kiln::eager {
namespace {

struct Known {
  uint64_t key = 0;
  DType result = DType::Bool;
};
constexpr int kBits = 8;
using Table = std::array<Known, 1 << kBits>;

Known& place(const FlatCall& call) { return codegen::thread_owned<Table>()[call.hash() >> (64 - kBits)]; }

}  // namespace

bool same_layout(const Tensor& a, const Tensor& b) { return a.shape() == b.shape() && (a.strides() == b.strides() || b.is_contiguous()); }

FlatCall flat_call(const Operator& op, std::span<const Operand> operands) {
  if (operands.size() > kFlatOperands) return {};
  static_assert(kDTypeCount <= 16);
  uint64_t key = (uint64_t{op.id} + 1) << 20 | uint64_t{codegen::backend_setting()} << 4 | static_cast<uint64_t>(default_dtype());
  const Tensor* first = nullptr;
  for (const Operand& o : operands) {
    uint64_t code = 0;
    if (o.tensor) {
      if (first ? !same_layout(*first, o.tensor) : !o.tensor.is_contiguous()) return {};
      if (!first) first = &o.tensor;
      code = 8 + static_cast<uint64_t>(o.tensor.dtype());
    } else if (o.present) {
      code = 1 + static_cast<uint64_t>(o.scalar.kind);
    }
    key = key << 5 | code;
  }
  if (!first) return {};
  return {key << 3 | operands.size(), first};
}

bool can_be_flat(const Operator& op) {
  return op.body && !op.body.takes_context() && op.outputs == 1 && op.result != ResultType::given && !op.random && !op.raises_on_data &&
         !op.shape_from_data;
}

std::optional<DType> flat_dtype(const FlatCall& call) {
  const Known& k = place(call);
  if (!call || k.key != call.key) return std::nullopt;
  return k.result;
}

void keep_flat_dtype(const FlatCall& call, DType result) {
  if (call) place(call) = {call.key, result};
}

}  // namespace kiln::eager
