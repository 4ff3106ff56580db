#include "tracer/ambient.h"

#include <chrono>
#include <optional>
#include <utility>

#include "codegen/thread_owned.h"
#include "codegen/tunables.h"
#include "tracer/hot_code.h"
#include "tracer/recorder.h"

namespace kiln::tracer {

std::atomic<int> ambient_users{0};
constinit thread_local uint32_t ambient_rest = 0;

namespace {

std::atomic<bool> is_on{false};

FruitlessSites fruitless;

// Operator calls of a thread before anything is done for it: many threads end sooner.
constexpr uint32_t kFirstRest = 1024;
constinit thread_local bool looked_at = false;

struct ThreadState {
  std::optional<HotCode> code;
  int64_t rounds = 0;      // that `code` was made with
  bool deferring = false;  // is the thread's recorder set, for ambient work?
  int paused = 0;
};
ThreadState& this_thread() { return codegen::thread_owned<ThreadState>(); }

int64_t nanoseconds() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void run_pending() {
  if (thread_recorder().pending() > 0) thread_recorder().flush(eager::FlushReason::function_end);
}

void start() {
  ThreadState& here = this_thread();
  if (here.deferring) return;
  here.deferring = true;
  ambient_users.fetch_add(1, std::memory_order_relaxed);
  thread_recorder().set_function(ambient_record());
  eager::set_recorder(&thread_recorder());
}

void stop() {
  ThreadState& here = this_thread();
  if (!here.deferring) return;
  here.deferring = false;
  ambient_users.fetch_sub(1, std::memory_order_relaxed);
  eager::set_recorder(nullptr);
  run_pending();
  thread_recorder().set_function(nullptr);
}

}  // namespace

bool ambient_is_on() { return is_on.load(std::memory_order_relaxed); }
bool defers_ambient() { return this_thread().deferring; }

void set_ambient(bool on) {
  if (is_on.exchange(on) == on) return;
  ambient_rest = 0;
  looked_at = true;  // its own thread is, at once
  ambient_users.fetch_add(on ? 1 : -1, std::memory_order_relaxed);
  if (!on) leave_ambient();
}

const std::shared_ptr<FunctionRecord>& ambient_record() {
  static const auto& record = *new std::shared_ptr<FunctionRecord>(std::make_shared<FunctionRecord>("kn.auto"));
  return record;
}

void arrive_ambient(uint64_t (*site)(), bool watched) {
  const int64_t rounds = codegen::value(codegen::Tunable::auto_rounds);
  if (!std::exchange(looked_at, true) && rounds > 0) {
    ambient_rest = kFirstRest;
    return;
  }
  ThreadState& here = this_thread();
  if (in_captured_call() || here.paused > 0) return;
  if (const eager::Recorder* r = eager::current_recorder(); r != nullptr && !here.deferring) return;  // an export's
  if (watched || !ambient_is_on()) return stop();
  if (!here.code || here.rounds != rounds) {
    here.code.emplace(rounds, &fruitless);
    here.rounds = rounds;
  }
  SegmentRecorder& recorder = thread_recorder();
  const HotCode::Pending pending{recorder.pending(), recorder.pending_bytes(), recorder.runs(), recorder.compiles()};
  const HotCode::Verdict verdict = here.code->arrive(site(), pending, nanoseconds);
  ambient_rest = here.code->rest();
  if (verdict == HotCode::Verdict::cut) run_pending();
  if (here.code->is_deferring()) start();
  else stop();
}

void leave_ambient() noexcept {
  if (ambient_users.load(std::memory_order_relaxed) == 0) return;  // no thread defers
  try {
    stop();
  } catch (...) {  // pending still
  }
}

AmbientPause::AmbientPause() {
  leave_ambient();
  ++this_thread().paused;
}
AmbientPause::~AmbientPause() { --this_thread().paused; }

}  // namespace kiln::tracer
