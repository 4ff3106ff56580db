// The background compiler thread: started by the first kernel that is queued, one kernel at a time, at low priority.
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
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <deque>

#include "codegen/error.h"

namespace kiln::codegen {
namespace {

constexpr int kNice = 10;  // about a tenth of a busy CPU

class TierUp {
 public:
  void queue(CompiledKernel& kernel) {
    if (kernel.queued.exchange(true)) return;
    const std::lock_guard lock(mutex_);
    if (stopping_ || no_llvm_) return;
    waiting_.push_back(kernel.shared_from_this());
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
    if (busy_) waiting_.push_front(std::move(current_));
    busy_ = false;
    unlock_kernel_cache();
    mutex_.unlock();
  }

  std::shared_mutex& gate() { return *gate_; }

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
      current_ = std::move(waiting_.front());
      waiting_.pop_front();
      busy_ = true;
      lock.unlock();
      const bool usable = compile(*current_);
      lock.lock();
      std::shared_ptr<CompiledKernel> done = std::move(current_);
      busy_ = false;
      if (!usable) {
        no_llvm_ = true;
        waiting_.clear();
      }
      changed_->notify_all();
      lock.unlock();
      done.reset();  // perhaps the last reference
      lock.lock();
    }
  }

  // False where there is no LLVM to compile with.
  bool compile(CompiledKernel& kernel) {
    const std::shared_lock gate(*gate_);
    Backend* llvm = llvm_backend();
    if (llvm == nullptr) return false;
    static const bool registered = (at_exit(), true);  // now that LLVM's own exit handlers are, so that ours runs first
    (void)registered;
    try {
      if (auto code = compile_with(*llvm, kernel)) kernel.swap_in(std::move(code));
    } catch (const Error&) {  // out of memory: the kernel keeps the code it has
    }
    return true;
  }

  static void at_exit();

  std::unique_ptr<std::shared_mutex> gate_ = std::make_unique<std::shared_mutex>();
  std::mutex mutex_;  // of what follows
  std::unique_ptr<std::condition_variable> changed_ = std::make_unique<std::condition_variable>();
  std::deque<std::shared_ptr<CompiledKernel>> waiting_;
  std::shared_ptr<CompiledKernel> current_;
  pthread_t thread_{};
  bool started_ = false;
  bool busy_ = false;
  bool stopping_ = false;
  bool no_llvm_ = false;
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

bool gains_from_llvm(const CompiledKernel& kernel) {
  if (kernel.code().backend != BackendKind::asmjit) return true;
  const Schedule s = schedule(kernel.kernel);
  return std::count_if(s.steps.begin(), s.steps.end(), [](const Schedule::Pass& pass) { return pass.loops(); }) < 2;
}

void queue_for_llvm(CompiledKernel& kernel) { tier_up().queue(kernel); }
void wait_for_queue() { tier_up().wait(); }
std::shared_mutex& compile_gate() { return tier_up().gate(); }

}  // namespace kiln::codegen
