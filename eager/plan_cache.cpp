#include "eager/plan_cache.h"

namespace kiln::eager {

void PlanKey::add(const Attrs& attrs) {
  for (const Attr& attr : attrs) {
    add(static_cast<uint8_t>(attr.index()));
    std::visit(
        [this](const auto& value) {
          using T = std::decay_t<decltype(value)>;
          if constexpr (std::is_same_v<T, std::string>) {
            add(value.size());
            bytes_ += value;
          } else if constexpr (!std::is_same_v<T, std::monostate>) {
            add(value);
          }
        },
        attr);
  }
}

void PlanKey::add_kind(const Operand& o) {
  add(static_cast<uint8_t>(o.is_tensor() ? 16 + static_cast<int>(o.tensor.dtype()) : o.present ? 1 + static_cast<int>(o.scalar.kind) : 0));
}

void PlanKey::add_layout(const Tensor& t) {
  add(t.dtype());
  add(t.shape());
  add(t.strides());
}

void PlanKey::add_layouts(std::span<const Operand> operands) {
  add(static_cast<uint32_t>(operands.size()));
  for (const Operand& o : operands) {
    add_kind(o);
    if (o.is_tensor()) add_layout(o.tensor);
  }
}

}  // namespace kiln::eager
