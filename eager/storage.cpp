#include "codegen/allocator.h"
#include "eager/dispatch.h"
#include "eager/recycle.h"
#include "eager/tensor.h"

namespace kiln::eager {
namespace {

// Memory lent for a while by C++ code that keeps it itself.
class Lent final : public ForeignMemory {
 public:
  bool visible_outside() const override { return false; }
};

}  // namespace

void* Storage::operator new(size_t) { return recycled_new<Storage>(); }
void Storage::operator delete(void* p) noexcept { recycle<Storage>(p); }

Storage::~Storage() {
  if (!foreign_ && data_) codegen::deallocate(data_, bytes_);
}

Ref<Storage> Storage::allocate(size_t bytes) {
  auto storage = Ref<Storage>::alone(new Storage(bytes));
  storage->ensure_allocated();
  return storage;
}

Ref<Storage> Storage::adopt(void* data, size_t bytes, bool writable, std::unique_ptr<ForeignMemory> foreign) {
  auto storage = Ref<Storage>::alone(new Storage(bytes));
  storage->data_ = static_cast<std::byte*>(data);
  storage->writable_ = writable;
  storage->foreign_ = foreign ? std::move(foreign) : std::make_unique<Lent>();
  return storage;
}

std::byte* Storage::data_for_write() {
  if (recorder()) run_pending();
  ensure_allocated();
  bump_version();
  return data_;
}

void Storage::ensure_allocated() {
  if (!data_) data_ = static_cast<std::byte*>(codegen::allocate(bytes_));
}

void Storage::run_pending() { run_pending(recorder() == current_recorder() ? FlushReason::unsupported : FlushReason::other_thread); }

void Storage::run_pending(FlushReason reason) {
  if (Recorder* r = recorder()) r->flush(reason);
}

}  // namespace kiln::eager
