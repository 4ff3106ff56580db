// Plans kept by what they depend on, so that a call that was seen before rebuilds nothing.
#pragma once

#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <unordered_map>

#include "codegen/backend_setting.h"
#include "codegen/compiler.h"
#include "eager/lowering.h"

namespace kiln::eager {

// A key is the bytes of all that a plan depends on, beginning with the operator and the back end setting.
class PlanKey {
 public:
  explicit PlanKey(const Operator& op) {
    bytes_.reserve(512);
    add(op.id);
    add(codegen::backend_setting());
    add(default_dtype());
  }
  template <class T>
    requires std::is_trivially_copyable_v<T> && (!std::is_same_v<T, Dims>)
  void add(const T& value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(T));
  }
  void add(const Dims& dims) {
    add(static_cast<uint8_t>(dims.size()));
    bytes_.append(reinterpret_cast<const char*>(dims.begin()), sizeof(int64_t) * static_cast<size_t>(dims.size()));
  }
  void add(const Attrs&);
  void add_kind(const Operand&);   // kind and dtype alone
  void add_layout(const Tensor&);  // dtype, shape, strides
  void add_layouts(std::span<const Operand>);
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

template <class Plan>
class PlanCache {
 public:
  std::shared_ptr<const Plan> find(const PlanKey& key) {
    std::shared_lock lock(mutex_);
    const auto at = plans_.find(key.bytes());
    return at == plans_.end() ? nullptr : at->second;
  }
  std::shared_ptr<const Plan> insert(const PlanKey& key, Plan plan) {
    auto made = std::make_shared<const Plan>(std::move(plan));
    decltype(plans_) dropped;  // freed after the lock
    std::unique_lock lock(mutex_);
    if (plans_.size() >= kMost) dropped.swap(plans_);  // shapes that keep changing must not fill the memory
    return plans_.insert_or_assign(key.bytes(), std::move(made)).first->second;
  }

 private:
  static constexpr size_t kMost = 4096;
  std::shared_mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<const Plan>> plans_;
};

// A lowered kernel and the code it runs.
struct CompiledPlan {
  LoweredKernel lowered;
  std::shared_ptr<codegen::CompiledKernel> compiled;
  explicit CompiledPlan(LoweredKernel k) : lowered(std::move(k)), compiled(codegen::get(lowered.kernel)) {}
};

}  // namespace kiln::eager
