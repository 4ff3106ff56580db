#include "tracer/recorder.h"

#include <atomic>
#include <chrono>

#include "codegen/backend_setting.h"
#include "eager/tape.h"
#include "tracer/ambient.h"
#include "tracer/front_end.h"
#include "tracer/never_computed.h"

namespace kiln::tracer {
namespace {

using eager::FlushReason;
using eager::Storage;
using eager::Tensor;

constexpr size_t kMaxPendingCalls = 10'000;
// A shared storage larger than this is read at the call rather than copied: a copy would cost more than fusion gains.
constexpr int64_t kMaxSnapshotBytes = 1 << 20;

// Operators called while recorded work runs (snapshots, an executor's copies) must not be recorded themselves.
class Undeferred {
 public:
  Undeferred() : before_(eager::current_recorder()) { eager::set_recorder(nullptr); }
  ~Undeferred() { eager::set_recorder(before_); }

 private:
  eager::Recorder* before_;
};

double milliseconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

SegmentRecorder::~SegmentRecorder() { forget(); }

// Our number for a storage. Threads that run captured functions over the same weights read them at once: the first claims them for
// the case that someone writes, the others keep their own account (borrowed_). Content that another thread has yet to compute is asked for.
uint32_t SegmentRecorder::new_slot_of(Storage& s) {
  if (const auto known = borrowed_.find(&s); known != borrowed_.end()) return known->second;
  if (s.pending_writes()) s.run_pending(FlushReason::other_thread);
  const auto slot = static_cast<uint32_t>(storages_.size());
  storages_.push_back({eager::Ref<Storage>(&s), static_cast<int64_t>(s.bytes())});
  if (!s.claim(this, slot)) borrowed_.emplace(&s, slot);
  return slot;
}

// Before a write of ours: others who have yet to read what the storage holds do so now.
void SegmentRecorder::claim_for_writing(Storage& s) {
  const uint32_t slot = slot_of(s);
  while (!s.claim(this, slot)) s.run_pending(FlushReason::other_thread);
  borrowed_.erase(&s);
  s.set_pending_writes();
}

void SegmentRecorder::add_operand(const eager::Operand& o) {
  if (o.is_tensor()) {
    words_.add_tensor(slot_of(o.tensor.storage()), o.tensor);
  } else if (o.is_scalar()) {
    words_.add_scalar(o.scalar.kind);
    scalars_.push_back(o.scalar);
  } else {
    words_.add_absent();
  }
}

// Memory that someone outside can write must be read now. `run_now` is set where a copy would be too large.
eager::Operand SegmentRecorder::snapshot_if_shared(const eager::Operand& o, bool* run_now) {
  if (!o.is_tensor() || !o.tensor.storage().shared()) return o;
  if (o.tensor.numel() * size_of(o.tensor.dtype()) > kMaxSnapshotBytes) {
    *run_now = true;
    return o;
  }
  const Undeferred undeferred;
  const eager::NoGrad no_grad;
  Tensor copy = Tensor::empty(o.tensor.shape(), o.tensor.dtype());
  eager::write(copy, o);
  return copy;
}

bool SegmentRecorder::record(const eager::Operator& op, const eager::Arguments& arguments, std::span<const eager::TensorType> types,
                             Tensor* outputs) {
  std::lock_guard lock(mutex_);
  bool run_now = op.shape_from_data;
  bool any_shared = false;
  for (const eager::Operand& o : arguments.operands) any_shared |= o.is_tensor() && o.tensor.storage().shared();
  std::vector<eager::Operand> snapshots;
  if (any_shared)
    for (const eager::Operand& o : arguments.operands) snapshots.push_back(snapshot_if_shared(o, &run_now));
  if (run_now) {
    flush(op.shape_from_data ? FlushReason::shape_from_data : FlushReason::shared_storage);
    return false;
  }
  check_limit();
  const std::span<const eager::Operand> operands = any_shared ? std::span<const eager::Operand>(snapshots) : arguments.operands;
  // What can fail comes first: a call is recorded whole or not at all.
  for (size_t i = 0; i < types.size(); ++i) outputs[i] = Tensor::pending(types[i].shape, types[i].dtype);
  for (const eager::Operand& o : operands)
    if (o.is_tensor()) slot_of(o.tensor.storage());
  words_.begin_call(&op, operands.size(), arguments.attrs.size());
  for (const eager::Operand& o : operands) add_operand(o);
  words_.add_attrs(arguments.attrs);
  words_.add_outputs(static_cast<uint32_t>(storages_.size()), types);
  for (size_t i = 0; i < types.size(); ++i) add_output(outputs[i].storage());
  note_line();
  return true;
}

void SegmentRecorder::add_output(Storage& s) {
  s.claim_first(this, static_cast<uint32_t>(storages_.size()));
  s.set_pending_writes();
  pending_bytes_ += static_cast<int64_t>(s.bytes());
  storages_.push_back({eager::Ref<Storage>::alone(&s), -1});
}

bool SegmentRecorder::record_again(const eager::Operator& op, std::span<const eager::Operand> operands, Tensor& output) {
  std::lock_guard lock(mutex_);
  if (!words_.is_again() || words_.calls() >= kMaxPendingCalls) return false;
  SegmentWords::Again again(words_, &op, operands.size());
  for (const eager::Operand& o : operands) {
    if (o.is_tensor()) {
      if (o.tensor.storage().shared()) return false;
      // A storage that is new here stays known where the call turns out to be another one: it is then recorded in full.
      again.add_tensor(slot_of(o.tensor.storage()), o.tensor);
    } else if (o.is_scalar()) {
      again.add_scalar(o.scalar.kind);
    } else {
      again.add_absent();
    }
  }
  if (!again.output(static_cast<uint32_t>(storages_.size()))) return false;
  output = again.pending();
  for (const eager::Operand& o : operands)
    if (o.is_scalar()) scalars_.push_back(o.scalar);
  again.commit();
  add_output(output.storage());
  note_line();
  return true;
}

bool SegmentRecorder::record_write(const Tensor& destination, const eager::Operand& source) {
  std::lock_guard lock(mutex_);
  if (destination.storage().shared()) {  // visible outside: the write happens at the call
    refuse_if_revocable();
    flush(FlushReason::shared_storage);
    return false;
  }
  bool run_now = false;
  const eager::Operand snapshot = snapshot_if_shared(source, &run_now);
  if (run_now) {
    refuse_if_revocable();
    flush(FlushReason::shared_storage);
    return false;
  }
  check_limit();
  claim_for_writing(destination.storage());
  Entry& entry = storages_[slot_of(destination.storage())];
  ++entry.writes;
  writes_leaves_ |= entry.leaf_bytes >= 0 && !(revocable_ && destination.storage().trial() == trial_);
  if (snapshot.is_tensor()) slot_of(snapshot.tensor.storage());
  words_.begin_call(nullptr, 2, 0);
  add_operand(destination);
  add_operand(snapshot);
  note_line();
  return true;
}

void SegmentRecorder::set_function(std::shared_ptr<FunctionRecord> f) {
  function_ = std::move(f);
  notes_lines_ = function_ && front_end().source_location && pending() == 0 && function_->take_wants_lines();
}

void SegmentRecorder::note_line() {
  if (notes_lines_ && !revocable_) lines_.push_back(front_end().source_location());
}

void SegmentRecorder::check_limit() {
  if (words_.calls() >= kMaxPendingCalls) flush(FlushReason::limit);
}

void SegmentRecorder::find_program(double* compile_ms) {
  // Which contents are still wanted: someone but us holds the storage, or its memory is not its own. It is part of the key, since it decides
  // what is stored and whose memory is taken over.
  visible_.clear();
  rest_.clear();
  uint64_t bits = 0;
  for (size_t s = 0; s < storages_.size(); ++s) {
    const bool visible = storages_[s].storage->use_count() > 1 || !storages_[s].storage->owns_memory();
    visible_.push_back(visible);
    bits = bits << 1 | (visible ? 1 : 0);
    if (s % 64 == 63 || s + 1 == storages_.size()) {
      rest_.push_back(bits);
      bits = 0;
    }
    if (storages_[s].leaf_bytes >= 0) rest_.push_back(static_cast<uint64_t>(storages_[s].leaf_bytes));
  }
  rest_.push_back(codegen::backend_setting());  // kernels of a program are compiled for it
  ProgramCache& cache = ProgramCache::instance();
  const uint64_t clearings = cache.clearings();
  if (last_ && last_ran_ && clearings == last_clearings_ && words_.is_as_kept() && rest_ == last_rest_) return;  // as mostly
  last_ran_ = false;
  key_.assign(words_.words().begin(), words_.words().end());
  key_.insert(key_.end(), rest_.begin(), rest_.end());
  const uint64_t hash = hash_words(key_);
  last_ = cache.find(key_, hash);
  last_rest_ = rest_;
  last_clearings_ = clearings;
  if (last_) return;
  const auto start = std::chrono::steady_clock::now();
  std::vector<int64_t> leaf_bytes;
  for (const Entry& e : storages_) leaf_bytes.push_back(e.leaf_bytes);
  last_ = installed_compiler()(words_.build(leaf_bytes, {visible_.begin(), visible_.end()}));
  *compile_ms = milliseconds_since(start);
  ++compiles_;
  cache.insert(key_, hash, last_);
}

void SegmentRecorder::refuse_if_full_graph(FlushReason reason) const {
  if (!function_ || !function_->full_graph || reason == FlushReason::function_end || reason == FlushReason::exception) return;
  if (reason == FlushReason::limit && revocable_) return;  // an iteration of a replay's loop
  const std::string where = front_end().source_location ? " at " + front_end().source_location() : std::string();
  fail(ErrorCode::runtime, function_->name + ": fullgraph=True, but deferred work had to run before the function's end" + where + ": " +
                               std::string(eager::describe(reason)));
}

void SegmentRecorder::set_revocable(bool on) {
  static std::atomic<uint64_t> trials{0};
  if (on && !revocable_) trial_ = trials.fetch_add(1, std::memory_order_relaxed) + 1;
  revocable_ = on;
}

void SegmentRecorder::refuse_if_revocable() const {
  if (revocable_)
    fail(ErrorCode::runtime, "a write to a tensor that was there before would have to happen before the call is known to succeed");
}

void SegmentRecorder::flush(FlushReason reason) {
  // Whoever waits for another thread's flush must not hold the language's lock, which that flush may need to come back.
  std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock) {
    const Unlocked unlocked;
    lock.lock();
    lock.unlock();
    return flush(reason);
  }
  if (words_.calls() == 0) {
    forget();
    return;
  }
  refuse_if_full_graph(reason);
  if (writes_leaves_) refuse_if_revocable();
  const Undeferred undeferred;
  double compile_ms = 0;
  find_program(&compile_ms);
  const Program& p = *last_;
  bound_.clear();
  for (const Entry& e : storages_) bound_.push_back(e.storage.get());
  {
    const Unlocked unlocked(p.info().work > kWorkWorthUnlocking);
    p.run({bound_, scalars_});  // an error leaves everything pending, as it was
  }
  if (revocable_)
    for (const Entry& e : storages_)
      if (e.leaf_bytes < 0) e.storage->set_trial(trial_);
  if (function_) function_->note_run(last_, reason, compile_ms);
  if (notes_lines_ && function_ && lines_.size() == words_.calls()) notes_lines_ = function_->note_lines(last_, std::move(lines_));
  ++runs_;
  if (keep_ != nullptr) {
    keep_->program = last_;
    keep_->scalars = scalars_;
    for (size_t s = 0; s < storages_.size(); ++s) {
      const Entry& e = storages_[s];
      keep_->storages.push_back({e.storage.get(), static_cast<int64_t>(e.storage->bytes()), e.leaf_bytes >= 0, e.writes, visible_[s] != 0});
    }
    keep_ = nullptr;
  }
  last_ran_ = true;
  words_.keep();
  forget();
}

void SegmentRecorder::forget() {
  for (const Entry& e : storages_)
    if (e.storage->recorder() == this) e.storage->release_claim();
  borrowed_.clear();
  storages_.clear();
  scalars_.clear();
  words_.clear();
  pending_bytes_ = 0;
  lines_.clear();
  writes_leaves_ = false;
}

void SegmentRecorder::discard() {
  std::lock_guard lock(mutex_);
  std::vector<eager::Ref<Storage>> never;
  for (const Entry& e : storages_)
    if (e.leaf_bytes < 0 && e.storage->use_count() > 1) never.push_back(e.storage);
  forget();
  for (const auto& s : never) claim_for_ever(*s);
}

namespace {

struct ThreadState {
  std::unique_ptr<SegmentRecorder> recorder;
  int depth = 0;
};
thread_local ThreadState state;

}  // namespace

SegmentRecorder& thread_recorder() {
  if (!state.recorder) state.recorder = std::make_unique<SegmentRecorder>();
  return *state.recorder;
}

bool in_captured_call() { return state.depth > 0; }

SegmentScope::SegmentScope(std::shared_ptr<FunctionRecord> function) {
  // Inside an export its recorder sees the calls, and the captured function is written down like any other.
  const eager::Recorder* recorder = eager::current_recorder();
  const bool exporting = recorder && recorder->types_only();
  if (!exporting) function->calls.fetch_add(1, std::memory_order_relaxed);
  if (state.depth == 0 && !exporting) leave_ambient();
  outermost_ = state.depth++ == 0 && !exporting;
  if (!outermost_) return;
  thread_recorder().set_function(std::move(function));
  eager::set_recorder(state.recorder.get());
}

void SegmentScope::end(FlushReason reason) {
  if (!open_) return;
  open_ = false;
  --state.depth;
  if (!outermost_) return;
  eager::set_recorder(nullptr);
  state.recorder->flush(reason);
  state.recorder->set_function(nullptr);  // or this thread would keep the last function's record alive
}

SegmentRecorder* SegmentScope::trial() const {
  return outermost_ && open_ && state.recorder->pending() == 0 ? state.recorder.get() : nullptr;
}

SegmentScope::~SegmentScope() {
  try {
    end(FlushReason::exception);
  } catch (const Error&) {
    // The values stay pending; whoever reads them gets the error.
  }
}

}  // namespace kiln::tracer
