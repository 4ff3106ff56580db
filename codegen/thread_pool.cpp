// One job runs at a time. `epoch` tells its state: odd while a job is open to workers, even between jobs.
//
//   caller                                        worker
//   take `busy` (or run inline)                   spin, then park, until epoch is odd and new
//   write the job, epoch -> odd, wake the parked  ++inside; if epoch is still that odd value, claim pieces until none is left
//   claim pieces until none is left               --inside           (of their own share, then of the others')
//   epoch -> even, wait until inside == 0
//   release `busy`
//
// A worker reads the job only while it counts itself inside and has seen the epoch odd after that; the caller changes the
// job only after it made the epoch even and then saw nobody inside. All of these are sequentially consistent, so one of the two always
// sees the other. A caller never waits for a worker that did not wake in time: it has done that worker's share itself.
#include "codegen/thread_pool.h"

#include <immintrin.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <climits>
#include <fstream>
#include <string>
#include <thread>
#include <type_traits>

#include "codegen/error.h"
#include "codegen/mxcsr.h"
#include "codegen/tunables.h"

namespace kiln::codegen {
namespace {

constexpr int kMostThreads = info(Tunable::num_threads).most;
constexpr int64_t kPiecesPerThread = 8;  // enough to even out unequal pieces, few enough to keep claims rare

void futex_wait(std::atomic<uint32_t>& word, uint32_t seen) { syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, seen, nullptr, nullptr, 0); }
void futex_wake(std::atomic<uint32_t>& word, int how_many) { syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, how_many, nullptr, nullptr, 0); }

// Spins until done() holds; false if that took longer than `limit`.
template <class Done>
bool spin(std::chrono::nanoseconds limit, Done done) {
  if (done()) return true;
  const auto start = std::chrono::steady_clock::now();
  do {
    for (int i = 0; i < 32; ++i) {
      if (done()) return true;
      _mm_pause();
    }
  } while (std::chrono::steady_clock::now() - start < limit);
  return false;
}

// CPUs' worth of time that the control group grants; kMostThreads where there is no quota (or no control group).
int quota_threads() {
  double quota = -1, period = 0;
  if (std::ifstream v2("/sys/fs/cgroup/cpu.max"); !(v2 >> quota >> period)) {  // "max 100000" does not parse: no quota
    std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_quota_us") >> quota;
    std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_period_us") >> period;
  }
  if (quota <= 0 || period <= 0) return kMostThreads;
  return std::max(1, static_cast<int>(std::min<double>(kMostThreads, quota / period + 0.5)));
}

int default_threads() {
  if (const int64_t asked = value(Tunable::num_threads); asked > 0) return static_cast<int>(asked);
  cpu_set_t set;
  const int cpus = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : static_cast<int>(std::thread::hardware_concurrency());
  return std::clamp(cpus, 1, quota_threads());
}

std::chrono::nanoseconds spin_limit() { return std::chrono::microseconds(value(Tunable::spin_microseconds)); }

[[gnu::tls_model("initial-exec")]] constinit thread_local bool inside_body =
    false;  // this thread is running a body of the pool's present job

// Trivially destructible: workers may outlive static destructors, and touch nothing but this.
class Pool {
 public:
  // Read from the environment on first use, without a lock that a fork could leave taken in the child.
  int threads() {
    int n = threads_.load(std::memory_order_relaxed);
    if (n != 0) return n;
    const int initial = default_threads();
    return threads_.compare_exchange_strong(n, initial) ? initial : n;
  }

  void set_threads(int n) {
    if (n < 1 || n > kMostThreads)
      fail(ErrorCode::value, "the number of threads must be from 1 to " + std::to_string(kMostThreads) + ", not " + std::to_string(n));
    if (inside_body) fail(ErrorCode::runtime, "the number of threads cannot change inside a parallel loop");
    if (threads() == n) return;
    take();
    stop_workers();
    threads_.store(n, std::memory_order_relaxed);
    release();
  }

  void run(int64_t count, int64_t grain, void (*body)(void*, int64_t, int64_t), void* context) noexcept {
    const int64_t units = (count - 1) / grain + 1;
    const int threads = units == 1 ? 1 : threads_.load(std::memory_order_relaxed);
    if (threads == 1 || busy_.exchange(true)) {
      body(context, 0, count);
      return;
    }
    if (workers_ == 0) start_workers(threads - 1);

    body_ = body;
    context_ = context;
    count_ = count;
    piece_ = grain * std::max<int64_t>(1, units / (threads * kPiecesPerThread));
    share_out((count - 1) / piece_ + 1, threads);
    epoch_.fetch_add(1);
    if (parked_.load() > 0) futex_wake(epoch_, static_cast<int>(std::min<int64_t>(units - 1, INT_MAX)));

    claim_pieces(0);
    epoch_.fetch_add(1);
    if (!spin(spin_limit(), [this] { return inside_.load() == 0; })) {
      caller_parked_.store(true);
      while (const uint32_t n = inside_.load()) futex_wait(inside_, n);
      caller_parked_.store(false);
    }
    release();
  }

 private:
  void take() {
    while (busy_.exchange(true)) std::this_thread::yield();
  }
  void release() { busy_.store(false); }

  // The caller, which begins first, has the first share.
  void share_out(int64_t pieces, int threads) {
    sharers_ = std::min<int64_t>(pieces, threads);
    for (int64_t t = 0; t < sharers_; ++t) {
      shares_[t].next.store((pieces * t + sharers_ - 1) / sharers_, std::memory_order_relaxed);
      shares_[t].end = (pieces * (t + 1) + sharers_ - 1) / sharers_;
    }
  }

  // Those of its own share first, then what others have left.
  void claim_pieces(int64_t own) noexcept {
    inside_body = true;
    for (int64_t i = 0; i < sharers_; ++i) {
      Share& share = shares_[(own + i) % sharers_];
      for (;;) {
        if (share.next.load(std::memory_order_relaxed) >= share.end) break;
        const int64_t piece = share.next.fetch_add(1, std::memory_order_relaxed);
        if (piece >= share.end) break;
        body_(context_, piece * piece_, std::min((piece + 1) * piece_, count_));
      }
    }
    inside_body = false;
  }

  void work(int64_t own) noexcept {
    const DefaultMxcsr mxcsr;             // the thread has inherited its creator's
    uint32_t last = epoch_.load() & ~1u;  // an open job may be joined at once
    while (wait_for_job(last)) {
      const uint32_t seen = epoch_.load();
      if (seen % 2 == 0) continue;
      inside_.fetch_add(1);
      if (epoch_.load() == seen) claim_pieces(own);
      last = seen;
      if (inside_.fetch_sub(1) == 1 && caller_parked_.load()) futex_wake(inside_, 1);
    }
  }

  // Returns when a job newer than `last` may be open; false if the worker shall end.
  bool wait_for_job(uint32_t last) {
    const auto is_new = [&](uint32_t epoch) { return epoch % 2 == 1 && epoch != last; };
    while (!is_new(epoch_.load(std::memory_order_acquire)) && !stopping_.load()) {
      if (spin(spin_limit(), [&] { return is_new(epoch_.load(std::memory_order_acquire)) || stopping_.load(std::memory_order_relaxed); }))
        break;
      parked_.fetch_add(1);
      const uint32_t seen = epoch_.load();
      if (!is_new(seen) && !stopping_.load()) futex_wait(epoch_, seen);
      parked_.fetch_sub(1);
    }
    return !stopping_.load();
  }

  static void* begin_work(void* share);

  // With `busy` held. Fewer workers than asked for, where the system refuses more, only make jobs slower.
  void start_workers(int n) {
    // Signals are for the program's own threads, but those a fault raises belong to the thread that faulted.
    sigset_t blocked, before;
    sigfillset(&blocked);
    for (int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS}) sigdelset(&blocked, fault);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    while (workers_ < n) {
      if (pthread_create(&handles_[workers_], nullptr, begin_work, &shares_[workers_ + 1]) != 0) break;
      pthread_setname_np(handles_[workers_], "kiln-worker");
      ++workers_;
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  // With `busy` held. The epoch moves to its next even value, so that a worker about to park does not.
  void stop_workers() {
    stopping_.store(true);
    epoch_.fetch_add(2);
    futex_wake(epoch_, INT_MAX);
    while (workers_ > 0) pthread_join(handles_[--workers_], nullptr);
    stopping_.store(false);
  }

  // fork() copies no thread but its caller. Holding `busy` means that no job is half done; the child starts its own workers when
  // it first needs them. A fork from inside a body cannot wait for that body, and leaves the child an idle pool all the same.
  static void before_fork();
  static void after_fork_in_parent();
  static void after_fork_in_child();
  friend bool handle_forks();

  std::atomic<int> threads_{0};
  pthread_t handles_[kMostThreads] = {};
  int workers_ = 0;

  alignas(64) std::atomic<bool> busy_{false};
  std::atomic<bool> stopping_{false};
  std::atomic<bool> caller_parked_{false};
  void (*body_)(void*, int64_t, int64_t) = nullptr;
  void* context_ = nullptr;
  int64_t count_ = 0, piece_ = 0;
  alignas(64) std::atomic<uint32_t> epoch_{0};
  std::atomic<uint32_t> parked_{0};
  alignas(64) std::atomic<uint32_t> inside_{0};
  // Pieces of the job by whose they are at first. Each thread's are the same from job to job, so that it finds in its core's caches what it left
  // there, if not the other threads were faster.
  struct alignas(64) Share {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };
  int64_t sharers_ = 0;
  Share shares_[kMostThreads];  // the caller's, then the workers'
};
static_assert(std::is_trivially_destructible_v<Pool>);

constinit Pool pool;

void* Pool::begin_work(void* share) {
  pool.work(static_cast<Share*>(share) - pool.shares_);
  return nullptr;
}

void Pool::before_fork() {
  if (!inside_body) pool.take();
}
void Pool::after_fork_in_parent() {
  if (!inside_body) pool.release();
}
void Pool::after_fork_in_child() {
  pool.workers_ = 0;
  pool.epoch_.store(inside_body ? 1 : 0);
  pool.parked_.store(0);
  pool.inside_.store(0);
  if (!inside_body) pool.release();
}

bool handle_forks() { return pthread_atfork(Pool::before_fork, Pool::after_fork_in_parent, Pool::after_fork_in_child) == 0; }
// When the library is loaded, hence before the first job: a fork during that job must find the handlers, or its child's pool stays busy.
[[maybe_unused]] const bool forks_are_handled = handle_forks();

}  // namespace

int num_threads() { return pool.threads(); }

void set_num_threads(int n) { pool.set_threads(n); }

void parallel_for(int64_t count, int64_t grain, void (*body)(void* context, int64_t begin, int64_t end), void* context) {
  check(grain >= 1, "parallel_for needs a grain of at least 1");
  if (count <= 0) return;
  pool.threads();  // reads the configuration on first use, which may throw
  const DefaultMxcsr mxcsr;
  pool.run(count, grain, body, context);
}

}  // namespace kiln::codegen
