#include "codegen/thread_pool.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "codegen/error.h"

namespace kiln::codegen {
namespace {

// Every test leaves the pool as it found it.
class ThreadPool : public ::testing::Test {
 protected:
  void TearDown() override { set_num_threads(before_); }
  const int before_ = num_threads();
};

// How often each index was visited, and that ranges start and end where they may.
std::vector<int> visits(int64_t count, int64_t grain) {
  std::vector<std::atomic<int>> seen(count);
  std::atomic<int> crooked{0};
  parallel_for(count, grain, [&](int64_t begin, int64_t end) {
    if (begin % grain != 0 || (end % grain != 0 && end != count) || begin >= end) ++crooked;
    for (int64_t i = begin; i < end; ++i) ++seen[i];
  });
  EXPECT_EQ(crooked, 0);
  return {seen.begin(), seen.end()};
}

TEST_F(ThreadPool, VisitsEveryIndexOnce) {
  for (int threads : {1, 2, 3, 8}) {
    set_num_threads(threads);
    ASSERT_EQ(num_threads(), threads);
    for (int64_t count : {1, 2, 7, 64, 1000, 4097})
      for (int64_t grain : {1, 3, 64, 5000}) ASSERT_EQ(visits(count, grain), std::vector<int>(count, 1)) << count << " by " << grain;
  }
}

TEST_F(ThreadPool, AnEmptyRangeCallsNobody) {
  parallel_for(0, 1, [](int64_t, int64_t) { FAIL(); });
  parallel_for(-5, 1, [](int64_t, int64_t) { FAIL(); });
}

TEST_F(ThreadPool, SeveralThreadsTakePart) {
  set_num_threads(3);
  std::atomic<int> arrived{0};
  parallel_for(3, 1, [&](int64_t, int64_t) {  // each piece waits for the two others, so only three threads can end this
    ++arrived;
    while (arrived < 3) std::this_thread::yield();
  });
  EXPECT_EQ(arrived, 3);
}

// What a thread left in its caches in one job it finds there in the next.
TEST_F(ThreadPool, AThreadBeginsWithTheSameIndicesInEveryJob) {
  set_num_threads(2);
  const std::thread::id caller = std::this_thread::get_id();
  for (int job = 0; job < 50; ++job) {
    std::atomic<int64_t> first[2]{-1, -1};  // of the caller, of the worker
    parallel_for(10, 1, [&](int64_t begin, int64_t) {
      int64_t none = -1;
      first[std::this_thread::get_id() == caller ? 0 : 1].compare_exchange_strong(none, begin);
      while (first[0] < 0 || first[1] < 0) std::this_thread::yield();  // nobody takes what is the other's
    });
    ASSERT_EQ(first[0], 0) << job;
    ASSERT_EQ(first[1], 5) << job;
  }
}

TEST_F(ThreadPool, ParkedWorkersWakeUp) {
  set_num_threads(2);
  for (int round = 0; round < 20; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    std::atomic<int> arrived{0};
    parallel_for(2, 1, [&](int64_t, int64_t) {
      ++arrived;
      while (arrived < 2) std::this_thread::yield();
    });
  }
}

TEST_F(ThreadPool, ManyShortJobsInARow) {
  set_num_threads(4);
  std::atomic<int64_t> sum{0};
  for (int job = 0; job < 20000; ++job) parallel_for(8, 1, [&](int64_t begin, int64_t end) { sum += end - begin; });
  EXPECT_EQ(sum, 160000);
}

TEST_F(ThreadPool, NestedCallsRunOnTheirCaller) {
  set_num_threads(4);
  std::atomic<int> inner{0}, strangers{0};
  parallel_for(8, 1, [&](int64_t, int64_t) {
    const auto me = std::this_thread::get_id();
    parallel_for(100, 1, [&](int64_t begin, int64_t end) {
      inner += static_cast<int>(end - begin);
      if (std::this_thread::get_id() != me) ++strangers;
    });
  });
  EXPECT_GE(inner, 100);
  EXPECT_EQ(inner % 100, 0);
  EXPECT_EQ(strangers, 0);
}

TEST_F(ThreadPool, CallsFromManyThreadsAllComplete) {
  set_num_threads(3);
  std::atomic<int64_t> sum{0};
  std::vector<std::thread> callers;
  for (int t = 0; t < 6; ++t)
    callers.emplace_back([&] {
      for (int job = 0; job < 500; ++job) parallel_for(64, 4, [&](int64_t begin, int64_t end) { sum += end - begin; });
    });
  callers.emplace_back([] {
    for (int i = 0; i < 50; ++i) set_num_threads(1 + i % 4);
  });
  for (std::thread& t : callers) t.join();
  EXPECT_EQ(sum, 6 * 500 * 64);
}

TEST_F(ThreadPool, WorkersAreNamedAndLeaveSignalsToOthers) {
  set_num_threads(2);
  const auto caller = std::this_thread::get_id();
  std::atomic<int> arrived{0};
  std::string name;
  bool interrupts = true, faults = false;
  parallel_for(2, 1, [&](int64_t, int64_t) {
    if (std::this_thread::get_id() != caller) {
      char text[16];
      pthread_getname_np(pthread_self(), text, sizeof text);
      name = text;
      sigset_t blocked;
      pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
      interrupts = !sigismember(&blocked, SIGINT);
      faults = !sigismember(&blocked, SIGSEGV);
    }
    ++arrived;
    while (arrived < 2) std::this_thread::yield();
  });
  EXPECT_EQ(name, "kiln-worker");
  EXPECT_FALSE(interrupts);
  EXPECT_TRUE(faults);
}

TEST_F(ThreadPool, AForkedChildHasAPoolOfItsOwn) {
  set_num_threads(3);
  std::atomic<bool> stop{false};
  std::thread busy([&] {  // jobs are under way at every fork
    while (!stop) parallel_for(16, 1, [](int64_t, int64_t) {});
  });
  for (int round = 0; round < 20; ++round) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      alarm(20);  // a child that hangs dies and fails the test
      std::atomic<int> arrived{0};
      parallel_for(3, 1, [&](int64_t, int64_t) {
        ++arrived;
        while (arrived < 3) std::this_thread::yield();
      });
      _exit(arrived == 3 ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "status " << status;
  }
  stop = true;
  busy.join();
}

// The first job of all may be under way when another thread forks. Many processes, for each has one first job.
TEST_F(ThreadPool, AForkDuringTheFirstJobLeavesTheChildAPool) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "AddressSanitizer's allocator does not take its locks over fork (glibc's does): a child of a process whose threads "
                  "allocate just then waits for a lock that nobody holds. ThreadSanitizer runs this test.";
#endif
  for (int round = 0; round < 200; ++round) {
    const pid_t process = fork();
    ASSERT_GE(process, 0);
    if (process == 0) {
      alarm(20);
      set_num_threads(2);
      std::atomic<bool> started{false};
      std::thread first([&] {
        started = true;
        parallel_for(2, 1, [](int64_t, int64_t) {});
      });
      while (!started) std::this_thread::yield();
      const pid_t child = fork();
      if (child == 0) {
        alarm(10);
        std::atomic<int> arrived{0};
        parallel_for(2, 1, [&](int64_t, int64_t) {
          ++arrived;
          while (arrived < 2) std::this_thread::yield();
        });
        _exit(0);
      }
      int status = -1;
      waitpid(child, &status, 0);
      first.join();
      _exit(WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(waitpid(process, &status, 0), process);
    ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "round " << round << ", status " << status;
  }
}

TEST_F(ThreadPool, RejectsAThreadCountThatMakesNoSense) {
  for (int n : {0, -3, 1 << 20}) try {
      set_num_threads(n);
      FAIL() << n;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::value);
      EXPECT_NE(std::string(e.what()).find(std::to_string(n)), std::string::npos);
    }
}

}  // namespace
}  // namespace kiln::codegen
