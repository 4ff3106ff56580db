// Intrusive reference counting: one pointer wide, so that a tensor handle is one word.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace kiln::eager {

class RefCounted {
 public:
  RefCounted() = default;
  RefCounted(const RefCounted&) = delete;
  void retain() const noexcept { count_.fetch_add(1, std::memory_order_relaxed); }
  // Whoever holds the only reference need not count it down: nobody else is there to take another.
  bool release() const noexcept {
    return count_.load(std::memory_order_acquire) == 1 || count_.fetch_sub(1, std::memory_order_acq_rel) == 1;
  }
  // Of an object that only this thread knows yet.
  void retain_alone() const noexcept { count_.store(count_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed); }
  uint32_t use_count() const noexcept { return count_.load(std::memory_order_acquire); }

 private:
  mutable std::atomic<uint32_t> count_{0};
};

template <class T>
class Ref {
 public:
  Ref() = default;
  Ref(T* p) : p_(p) {  // NOLINT: implicit by design
    if (p_) p_->retain();
  }
  static Ref alone(T* p) {  // of an object that only this thread knows yet: without an atomic addition
    p->retain_alone();
    return Ref(p, Counted());
  }
  // A reference that does not count. Must be gone, undestroyed, before the object is.
  static Ref borrowed(T* p) { return Ref(p, Counted()); }
  Ref(const Ref& o) : Ref(o.p_) {}
  Ref(Ref&& o) noexcept : p_(std::exchange(o.p_, nullptr)) {}
  Ref& operator=(Ref o) noexcept {
    std::swap(p_, o.p_);
    return *this;
  }
  ~Ref() {
    if (p_ && p_->release()) delete p_;
  }
  T* get() const { return p_; }
  T* detach() && { return std::exchange(p_, nullptr); }  // the caller releases it
  T* operator->() const { return p_; }
  T& operator*() const { return *p_; }
  explicit operator bool() const { return p_ != nullptr; }
  bool operator==(const Ref&) const = default;

 private:
  struct Counted {};
  Ref(T* p, Counted) : p_(p) {}
  T* p_ = nullptr;
};

}  // namespace kiln::eager
