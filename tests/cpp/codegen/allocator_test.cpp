#include "codegen/allocator.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "codegen/error.h"

namespace kiln::codegen {
namespace {

struct Piece {
  unsigned char* p;
  size_t bytes;
  unsigned char mark;
};

bool holds_its_mark(const Piece& piece) {
  for (size_t i = 0; i < piece.bytes; ++i)
    if (piece.p[i] != piece.mark) return false;
  return true;
}

// Allocates and frees at random; every piece must keep what was written into it until it is freed.
void churn(unsigned seed, int steps, size_t largest) {
  std::mt19937 random(seed);
  std::vector<Piece> alive;
  for (int step = 0; step < steps; ++step) {
    if (alive.size() < 30 && random() % 5 < 3) {
      const size_t bytes = static_cast<size_t>(static_cast<double>(largest) / (1 + random() % 1000));
      Piece piece{static_cast<unsigned char*>(allocate(bytes)), bytes, static_cast<unsigned char>(random())};
      ASSERT_EQ(reinterpret_cast<uintptr_t>(piece.p) % kAlignment, 0u);
      std::memset(piece.p, piece.mark, bytes);
      alive.push_back(piece);
    } else if (!alive.empty()) {
      std::swap(alive[random() % alive.size()], alive.back());
      ASSERT_TRUE(holds_its_mark(alive.back()));
      deallocate(alive.back().p, alive.back().bytes);
      alive.pop_back();
    }
  }
  for (const Piece& piece : alive) {
    ASSERT_TRUE(holds_its_mark(piece));
    deallocate(piece.p, piece.bytes);
  }
}

TEST(Allocator, EverySizeIsAlignedAndUsableToItsLastByte) {
  for (size_t bytes : {0, 1, 63, 64, 65, 512, 513, 4096, 4097, 131071, 131072, 131073, 4194304, 4194305, 9437184, 50000001}) {
    void* p = allocate(bytes);
    ASSERT_NE(p, nullptr);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(p) % kAlignment, 0u);
    std::memset(p, 0xab, bytes);
    deallocate(p, bytes);
  }
  deallocate(nullptr, 10);
}

TEST(Allocator, BlocksNeverOverlap) { churn(1, 20000, 1 << 20); }

TEST(Allocator, BlocksNeverOverlapAcrossThreads) {
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t) threads.emplace_back([t] { churn(100 + t, 10000, 200000); });
  for (std::thread& t : threads) t.join();
}

TEST(Allocator, CountsExactly) {
  const int64_t before = memory_stats().in_use;
  reset_peak();
  void* a = allocate(1000);
  void* b = allocate(5'000'001);
  EXPECT_EQ(memory_stats().in_use, before + 5'001'001);
  deallocate(b, 5'000'001);
  EXPECT_EQ(memory_stats().in_use, before + 1000);
  EXPECT_EQ(memory_stats().peak, before + 5'001'001);
  reset_peak();
  EXPECT_EQ(memory_stats().peak, before + 1000);
  deallocate(a, 1000);
  EXPECT_EQ(memory_stats().in_use, before);
}

TEST(Allocator, AFreedBlockIsUsedAgain) {
  for (size_t bytes : {32, 3000, 30000, 300000, 30000000}) {
    void* p = allocate(bytes);
    deallocate(p, bytes);
    EXPECT_EQ(allocate(bytes), p) << bytes;
    deallocate(p, bytes);
  }
}

TEST(Allocator, ABlockFreedByAnotherThreadIsUsedAgain) {
  void* p = allocate(50000);
  std::thread([p] { deallocate(p, 50000); }).join();
  void* q = allocate(50000);
  EXPECT_EQ(p, q);
  deallocate(q, 50000);
}

TEST(Allocator, ReleaseCachedEmptiesTheCache) {
  for (size_t bytes : {100, 10000, 1000000}) deallocate(allocate(bytes), bytes);
  EXPECT_GT(memory_stats().cached, 1'000'000);
  release_cached();
  EXPECT_EQ(memory_stats().cached, 0);
}

TEST(Allocator, ChangingSizesDoNotPileUp) {
  release_cached();
  const int64_t base = memory_stats().in_use;
  for (size_t bytes = 8 << 20; bytes < size_t{80} << 20; bytes += 1 << 20) deallocate(allocate(bytes), bytes);
  const MemoryStats now = memory_stats();  // 72 sizes, 3 GB in all; a quarter more than the most ever used, and the slack, may stay
  EXPECT_EQ(now.in_use, base);
  EXPECT_LT(now.cached, std::max<int64_t>(now.peak, int64_t{90} << 20) * 5 / 4 + (int64_t{17} << 20));
}

TEST(Allocator, SaysHowMuchItCouldNotGet) {
  const MemoryStats before = memory_stats();
  for (size_t bytes : {size_t{1} << 45, SIZE_MAX / 2}) try {
      allocate(bytes);
      FAIL();
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::memory);
      EXPECT_NE(std::string(e.what()).find(std::to_string(bytes)), std::string::npos) << e.what();
    }
  EXPECT_EQ(memory_stats().in_use, before.in_use);
}

TEST(Allocator, WorksInAForkedChild) {
  std::atomic<bool> stop{false};
  std::thread busy([&] {
    while (!stop) deallocate(allocate(20000), 20000);
  });
  for (int round = 0; round < 20; ++round) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      alarm(20);
      churn(7, 500, 1 << 20);
      _exit(::testing::Test::HasFailure() ? 1 : 0);
    }
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "status " << status;
  }
  stop = true;
  busy.join();
}

TEST(Allocator, ATensorMayOutliveItsThreadsCache) {
  struct Late {
    void* p = nullptr;
    ~Late() { deallocate(p, 256); }
  };
  std::thread([] {
    static thread_local Late late;  // made before the thread's cache, so destroyed after it
    late.p = nullptr;
    late.p = allocate(256);
  }).join();
}

}  // namespace
}  // namespace kiln::codegen
