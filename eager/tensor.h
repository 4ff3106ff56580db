// Tensors: a typed, strided view of a storage. A Tensor is a handle (one pointer); copying it shares the tensor.
//
// A storage's bytes may not exist yet: inside a captured function operators are deferred, and the storage belongs to the recorder until it is
// flushed. Nobody outside eager/dispatch and the recorder sees this: data() runs what is pending first.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "codegen/dtype.h"
#include "eager/dims.h"
#include "eager/ref.h"

namespace kiln::eager {

class Recorder;
class GradNode;
enum class FlushReason : uint8_t;  // dispatch.h

// Memory that came from outside (NumPy, DLPack, the buffer protocol) and must be kept alive and told apart.
class ForeignMemory {
 public:
  virtual ~ForeignMemory() = default;
  virtual bool visible_outside() const = 0;  // may anyone but us still read or write it?
};

class Storage : public RefCounted {
 public:
  explicit Storage(size_t bytes) : bytes_(bytes) {}  // no memory yet
  ~Storage();
  static void* operator new(size_t bytes);  // recycled within a thread, as tensors are: making a small tensor costs no malloc
  static void operator delete(void* p) noexcept;
  static Ref<Storage> allocate(size_t bytes);
  static Ref<Storage> adopt(void* data, size_t bytes, bool writable, std::unique_ptr<ForeignMemory>);

  size_t bytes() const { return bytes_; }
  // The bytes, after everything deferred that writes them has run.
  std::byte* data() {
    if (pending_writes_) run_pending();
    return data_;
  }
  // The same, before a write from outside a recorder: pending readers run first too. Counts a new version.
  std::byte* data_for_write();
  std::byte* raw() const { return data_; }  // for recorders and executors: null while nothing is there
  void ensure_allocated();                  // for executors
  // Is the memory its own, and seen by nobody outside?
  bool owns_memory() const { return !foreign_ && exports_.load(std::memory_order_acquire) == 0; }
  // For executors: takes over the memory of another, which is left without, if this one has none and wants as much. Says whether it did.
  bool take_memory_of(Storage& other) {
    if (data_ != nullptr || other.data_ == nullptr || bytes_ != other.bytes_ || !owns_memory() || !other.owns_memory()) return false;
    data_ = std::exchange(other.data_, nullptr);
    return true;
  }

  bool writable() const { return writable_; }
  // Does an outside view of the bytes live: then deferral snapshots reads and performs writes at the call.
  bool shared() const { return exports_.load(std::memory_order_acquire) > 0 || (foreign_ && foreign_->visible_outside()); }
  void add_export() { exports_.fetch_add(1, std::memory_order_acq_rel); }
  void remove_export() { exports_.fetch_sub(1, std::memory_order_acq_rel); }

  // The trial of a recorder (tracer/recorder.h) that computed it; 0: none. What is made in a trial may be written in it: nobody else has it.
  uint64_t trial() const { return trial_; }
  void set_trial(uint64_t trial) { trial_ = trial; }

  uint32_t version() const { return version_; }  // counts writes, for autograd's check of saved tensors
  void bump_version() { ++version_; }

  // The recorder that has deferred operators on this storage; slot is its own number for it. One at a time claims a storage (others that
  // only read it keep their own account); pending writes are the claimer's.
  Recorder* recorder() const { return recorder_.load(std::memory_order_acquire); }
  uint32_t slot() const { return slot_; }
  bool pending_writes() const { return pending_writes_; }
  bool claim(Recorder* recorder, uint32_t slot) {
    Recorder* nobody = nullptr;
    if (!recorder_.compare_exchange_strong(nobody, recorder, std::memory_order_acq_rel)) return nobody == recorder;
    slot_ = slot;
    return true;
  }
  // The same of a storage that nobody else knows yet.
  void claim_first(Recorder* recorder, uint32_t slot) {
    recorder_.store(recorder, std::memory_order_relaxed);
    slot_ = slot;
  }
  void set_pending_writes() { pending_writes_ = true; }
  void release_claim() {
    pending_writes_ = false;
    recorder_.store(nullptr, std::memory_order_release);
  }
  void run_pending();  // flushes the recorder, if any, as something not foreseen; see materialise() in dispatch.h for a stated reason
  void run_pending(FlushReason);

 private:
  std::byte* data_ = nullptr;
  size_t bytes_ = 0;
  std::unique_ptr<ForeignMemory> foreign_;
  std::atomic<Recorder*> recorder_{nullptr};
  uint32_t slot_ = 0;
  uint64_t trial_ = 0;
  uint32_t version_ = 0;
  std::atomic<int32_t> exports_{0};
  bool writable_ = true;
  bool pending_writes_ = false;
};

class Tensor;
class HostFunction;

// What only differentiated tensors carry.
struct AutogradState {
  AutogradState();  // out of line: GradNode is incomplete here
  ~AutogradState();
  bool requires_grad = false;            // a leaf asked for gradients
  Ref<GradNode> node;                    // the operator that made it, null for leaves
  int output = 0;                        // which of the node's outputs it is
  uint32_t version = 0;                  // a view's: its storage's version when the node was right (see tape.h, "Views")
  std::unique_ptr<Tensor> grad;          // accumulated by backward() into leaves
  std::vector<Ref<HostFunction>> hooks;  // of a leaf: they see its gradient before it is accumulated
};

class TensorImpl : public RefCounted {
 public:
  TensorImpl();
  ~TensorImpl();
  static void* operator new(size_t bytes);
  static void operator delete(void* p) noexcept;

  Ref<Storage> storage;
  int64_t offset = 0;   // elements
  Dims shape, strides;  // strides in elements, may be zero or negative
  DType dtype = DType::F32;
  std::unique_ptr<AutogradState> autograd;
  Ref<TensorImpl> base;       // a view's: the tensor it was taken from, never a view itself
  void* front_end = nullptr;  // the front end's object for this tensor, borrowed (identity is kept)
};

class Tensor {
 public:
  Tensor() = default;
  explicit Tensor(Ref<TensorImpl> impl) : impl_(std::move(impl)) {}
  static Tensor empty(const Dims& shape, DType);    // contiguous, uninitialised
  static Tensor pending(const Dims& shape, DType);  // contiguous, without memory: for recorders
  static Tensor pending(const Dims& shape, const Dims& contiguous_strides, DType);
  static Tensor view(Ref<Storage>, int64_t offset, const Dims& shape, const Dims& strides, DType);

  explicit operator bool() const { return static_cast<bool>(impl_); }
  TensorImpl* impl() const { return impl_.get(); }
  TensorImpl* detach() && { return std::move(impl_).detach(); }  // the caller releases it
  const Dims& shape() const { return impl_->shape; }
  const Dims& strides() const { return impl_->strides; }
  int64_t offset() const { return impl_->offset; }
  DType dtype() const { return impl_->dtype; }
  int rank() const { return impl_->shape.size(); }
  int64_t numel() const { return product(impl_->shape); }
  Storage& storage() const { return *impl_->storage; }
  bool is_contiguous() const;
  std::byte* data() const { return storage().data() + offset() * size_of(dtype()); }  // runs pending work
  bool same_as(const Tensor& o) const { return impl_ == o.impl_; }

  bool requires_grad() const {
    const AutogradState* a = impl_->autograd.get();
    return (a && (a->requires_grad || a->node)) || (impl_->base && Tensor(impl_->base).requires_grad());
  }
  bool is_leaf() const { return !(impl_->autograd && impl_->autograd->node) && !(impl_->base && Tensor(impl_->base).requires_grad()); }
  AutogradState& autograd() const {
    if (!impl_->autograd) impl_->autograd = std::make_unique<AutogradState>();
    return *impl_->autograd;
  }

 private:
  Ref<TensorImpl> impl_;
};

struct TensorType {
  DType dtype = DType::F32;
  Dims shape;
  bool operator==(const TensorType&) const = default;
};
std::string to_string(const TensorType&);  // "float32(2, 3)"

}  // namespace kiln::eager
