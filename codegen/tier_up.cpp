// The background compiler thread: started by the first kernel that is queued, one kernel at a time, at low priority. The queue does not keep
// kernels alive.
//
// fork(): the child inherits the queue but no thread; the next kernel queued (or a wait) starts a new one. exit(): the thread is
// stopped and joined before LLVM's static objects go, which takes as long as the kernel it is at.
#include "codegen/tier_up.h"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdlib>

#include "codegen/error.h"
#include "codegen/heat_queue.h"
#include "codegen/trial.h"
#include "codegen/tunables.h"

namespace kiln::codegen {
namespace {

constexpr int kNice = 10;  // about a tenth of a busy CPU

constexpr int64_t kInterpretedHeat = int64_t{1} << 60;  // whoever is interpreted goes first

std::atomic<uint64_t> won_by_llvm{0}, won_by_asmjit{0};

void begin_trial(CompiledKernel& kernel, const std::shared_ptr<const Code>& llvm, CodeImage image) {
  kernel.keep_beside(llvm);
  kernel.trial = std::make_unique<Trial>(kernel.code(), *llvm, std::move(image));
  kernel.tier.store(Tier::trial, std::memory_order_release);
}

class TierUp {
 public:
  // A kernel to be compiled, or whose verdict is to be kept on disk: its tier says which.
  void queue(CompiledKernel& kernel) {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    if (no_llvm_) return kernel.tier.store(Tier::settled);
    waiting_.push(kernel.weak_from_this());
    start();
    changed_->notify_all();
  }

  void wait() {
    std::unique_lock lock(mutex_);
    if (!waiting_.empty()) start();
    changed_->wait(lock, [&] { return (waiting_.empty() && !busy_) || stopping_; });
  }

  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      changed_->notify_all();
      if (!started_) return;
      started_ = false;
    }
    pthread_join(thread_, nullptr);
  }

  void before_fork() {
    gate_->lock();
    mutex_.lock();
    lock_kernel_cache();
  }
  void after_fork_in_parent() {
    unlock_kernel_cache();
    mutex_.unlock();
    gate_->unlock();
  }
  void after_fork_in_child() {
    // The condition variable still counts the parent's waiters, and the gate knows its holder by the parent's thread id: new ones, and
    // the old ones are left alone.
    (void)changed_.release();
    changed_ = std::make_unique<std::condition_variable>();
    (void)gate_.release();
    gate_ = std::make_unique<std::shared_mutex>();
    started_ = false;
    if (busy_) waiting_.push(std::move(current_));
    busy_ = false;
    unlock_kernel_cache();
    mutex_.unlock();
  }

  std::shared_mutex& gate() { return *gate_; }
  uint64_t cancelled() const { return cancelled_; }

 private:
  // Under the lock.
  void start() {
    if (started_ || stopping_) return;
    // The thread takes no signals: they are for the program's own threads.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int failed =
        pthread_create(&thread_, nullptr, [](void* self) -> void* { return static_cast<TierUp*>(self)->run(), nullptr; }, this);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (failed) {  // kernels stay on their first tier
      waiting_.clear();
      return;
    }
    started_ = true;
    at_exit();
  }

  void run() {
    pthread_setname_np(pthread_self(), "kiln-compiler");
    const sched_param none{};
    pthread_setschedparam(pthread_self(), SCHED_BATCH, &none);
    setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), kNice);  // Linux: of this thread alone
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_->wait(lock, [&] { return !waiting_.empty() || stopping_; });
      if (stopping_) return;
      uint64_t gone = 0;
      std::shared_ptr<CompiledKernel> kernel = waiting_.take_hottest(gone);
      cancelled_ += gone;
      if (kernel) {
        current_ = kernel;
        busy_ = true;
        lock.unlock();
        const bool usable = work_on(*kernel);
        kernel.reset();  // perhaps the last reference
        lock.lock();
        current_.reset();
        busy_ = false;
        if (!usable) do_without();
      }
      changed_->notify_all();
    }
  }

  // Under the lock: there is no LLVM to compile with.
  void do_without() {
    no_llvm_ = true;
    waiting_.for_each([](CompiledKernel& kernel) { kernel.tier = Tier::settled; });
    waiting_.clear();
  }

  // False where there is no LLVM to compile with.
  bool work_on(CompiledKernel& kernel) {
    const std::shared_lock gate(*gate_);
    try {
      switch (kernel.tier.load(std::memory_order_acquire)) {
        case Tier::queued: return compile(kernel);
        case Tier::settled: keep_verdict(kernel); return true;
        case Tier::heating: ++cancelled_; return true;
        case Tier::trial: return true;  // queued twice, with a cancellation between
      }
    } catch (const Error&) {  // out of memory: the kernel keeps the code it has
      kernel.tier = Tier::settled;
    } catch (const std::bad_alloc&) { kernel.tier = Tier::settled; }
    return true;
  }

  bool compile(CompiledKernel& kernel) {
    ImageCompiler* llvm = llvm_library();
    if (llvm == nullptr) return kernel.tier = Tier::settled, false;
    static const bool registered = (at_exit(), true);  // now that LLVM's own exit handlers are, so that ours runs first
    (void)registered;
    const auto start = std::chrono::steady_clock::now();
    std::optional<CodeImage> image = llvm->compile(kernel.kernel, isa());
    if (!image) return kernel.tier = Tier::settled, true;
    const auto code = place_image(*image);
    const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - start;
    count_compile(kernel, BackendKind::llvm, took.count());
    const bool interpreted = kernel.code().backend == BackendKind::interpreter;
    CacheEntry entry{interpreted ? Verdict::llvm : Verdict::untried, 0, std::move(*image)};
    if (DiskCache* disk = disk_cache()) disk->store(kernel.kernel, entry);
    if (interpreted) {
      kernel.swap_in(code);
      kernel.tier = Tier::settled;
    } else {
      begin_trial(kernel, code, std::move(entry.image));
    }
    return true;
  }

  void keep_verdict(CompiledKernel& kernel) {
    DiskCache* disk = disk_cache();
    if (disk == nullptr || kernel.trial == nullptr) return;
    const Verdict verdict = kernel.trial->verdict();
    disk->store(kernel.kernel, {verdict, kernel.trial->ratio(), verdict == Verdict::llvm ? kernel.trial->image : CodeImage{}});
  }

  static void at_exit();

  std::unique_ptr<std::shared_mutex> gate_ = std::make_unique<std::shared_mutex>();
  std::mutex mutex_;  // of what follows
  std::unique_ptr<std::condition_variable> changed_ = std::make_unique<std::condition_variable>();
  HeatQueue waiting_;
  std::weak_ptr<CompiledKernel> current_;
  pthread_t thread_{};
  bool started_ = false;
  bool busy_ = false;
  bool stopping_ = false;
  bool no_llvm_ = false;
  std::atomic<uint64_t> cancelled_{0};
};

// Never destroyed: its thread and callers may outlive static objects.
TierUp& tier_up() {
  static TierUp& instance = [&]() -> TierUp& {
    TierUp& made = *std::make_unique<TierUp>().release();
    pthread_atfork([] { tier_up().before_fork(); }, [] { tier_up().after_fork_in_parent(); }, [] { tier_up().after_fork_in_child(); });
    return made;
  }();
  return instance;
}

void TierUp::at_exit() {
  std::atexit([] { tier_up().stop(); });
}

}  // namespace

void enter_tiers(CompiledKernel& kernel) {
  const std::shared_lock gate(compile_gate());
  DiskCache* disk = disk_cache();
  std::optional<CacheEntry> found = disk ? disk->find(kernel.kernel) : std::nullopt;
  if (found) {
    kernel.from_disk = true;
    kernel.ratio = found->ratio;
    if (found->verdict == Verdict::llvm) return kernel.swap_in(place_image(found->image));
  }
  std::shared_ptr<Code> code = compile_with(asmjit_backend(), kernel);
  const bool interpreted = code == nullptr;
  if (interpreted) kernel.heat = kInterpretedHeat;
  kernel.swap_in(interpreted ? compile_with(interpreter_backend(), kernel) : std::move(code));
  if (found && !interpreted) {
    if (found->verdict == Verdict::asmjit) return;
    const auto llvm = place_image(found->image);
    return begin_trial(kernel, llvm, std::move(found->image));
  }
  kernel.tier = Tier::heating;
}

void queue_if_hot(CompiledKernel& kernel) {
  Tier heating = Tier::heating;
  if (kernel.heat < value(Tunable::tier_up_launches)) return;
  if (kernel.tier.compare_exchange_strong(heating, Tier::queued)) tier_up().queue(kernel);
}

void grow_hot(CompiledKernel& kernel, double work) {
  kernel.heat.fetch_add(1 + static_cast<int64_t>(work / static_cast<double>(value(Tunable::tier_up_work))), std::memory_order_relaxed);
  if (kernel.tier.load(std::memory_order_relaxed) == Tier::heating) queue_if_hot(kernel);
}

void settle(CompiledKernel& kernel) {
  Trial& trial = *kernel.trial;
  const bool llvm = trial.verdict() == Verdict::llvm;
  kernel.ratio = trial.ratio();
  kernel.run(trial.code(trial.verdict()));
  kernel.tier.store(Tier::settled, std::memory_order_release);
  ++(llvm ? won_by_llvm : won_by_asmjit);
  if (disk_cache() != nullptr) tier_up().queue(kernel);
}

void cancel_compile(CompiledKernel& kernel) {
  Tier queued = Tier::queued;
  kernel.heat = 0;
  kernel.tier.compare_exchange_strong(queued, Tier::heating);
}

void count_tiers(KernelCounters& counters) {
  counters.cancelled = tier_up().cancelled();
  counters.trials_llvm = won_by_llvm;
  counters.trials_asmjit = won_by_asmjit;
  if (const DiskCache* disk = disk_cache()) counters.disk = disk->counters();
}

std::string CompiledKernel::describe_code() const {
  const auto times = [](float ratio) {
    char text[32];
    std::snprintf(text, sizeof text, "%.2f", static_cast<double>(ratio));
    return std::string(text);
  };
  const std::string where = from_disk ? " (known from the disk cache)" : "";
  const BackendKind backend = code().backend;
  const float r = ratio;
  switch (tier.load(std::memory_order_acquire)) {
    case Tier::heating:
      return "AsmJit's code, " + std::to_string(heat) + " of " + std::to_string(value(Tunable::tier_up_launches)) + " on its way to LLVM";
    case Tier::queued: return std::string(backend == BackendKind::interpreter ? "interpreted" : "AsmJit's code") + ", waits for LLVM";
    case Tier::trial: return "AsmJit's and LLVM's code in turn, being timed" + where;
    case Tier::settled: break;
  }
  if (backend == BackendKind::interpreter) return "interpreted";
  if (backend == BackendKind::llvm)
    return r > 0 ? "LLVM's code, " + times(r) + " times as fast as AsmJit's" + where : "LLVM's code" + where;
  if (r > 1) return "AsmJit's code; LLVM's is " + times(r) + " times as fast, which may be noise" + where;
  if (r > 0) return "AsmJit's code; LLVM's took " + times(1 / r) + " times as long" + where;
  return trial ? "AsmJit's code; launches differ too much in size to time LLVM's against it" : "AsmJit's code";
}

void wait_for_compiles() { tier_up().wait(); }
std::shared_mutex& compile_gate() { return tier_up().gate(); }

}  // namespace kiln::codegen
