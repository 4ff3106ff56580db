// Registers of one run of a replay tree.
#pragma once

#include <algorithm>
#include <memory>
#include <span>

#include "python/bindings/replay.h"

namespace kiln::python {

// They hold references, which are released at the run's end. A negative operand is a constant of the tree.
class Registers {
 public:
  Registers(const ReplayTree& tree, int32_t count) : tree_(tree), count_(static_cast<size_t>(count)) {
    if (count_ > kInline) large_ = std::make_unique<PyObject*[]>(count_);
    values_ = large_ ? large_.get() : small_;
    std::fill_n(values_, count_, nullptr);
  }
  ~Registers() { clear(); }
  Registers(const Registers&) = delete;
  PyObject* operator[](int32_t operand) const { return operand >= 0 ? values_[operand] : tree_.constant(operand); }
  void set(int32_t number, PyObject* owned) { Py_XSETREF(values_[number], owned); }
  void clear() {
    for (size_t i = 0; i < count_; ++i) Py_CLEAR(values_[i]);
  }
  bool fit(const ReplayTree& tree) const { return static_cast<size_t>(tree.registers()) <= count_; }
  std::span<PyObject* const> all() const { return {values_, count_}; }

 private:
  static constexpr size_t kInline = 96;
  const ReplayTree& tree_;
  size_t count_;
  PyObject* small_[kInline];
  std::unique_ptr<PyObject*[]> large_;
  PyObject** values_;
};

}  // namespace kiln::python
