// A thread's own things live as long as it, and the library takes little thread-local storage.
#include "codegen/thread_owned.h"

#include <gtest/gtest.h>
#include <link.h>

#include <atomic>
#include <string_view>
#include <thread>

namespace kiln::codegen {
namespace {

std::atomic<int> alive{0};
struct Counted {
  int value = 0;
  Counted() { ++alive; }
  ~Counted() { --alive; }
};

TEST(ThreadOwned, EachThreadHasItsOwnToItsEnd) {
  thread_owned<Counted>().value = 1;
  EXPECT_EQ(&thread_owned<Counted>(), &thread_owned<Counted>());
  const int before = alive;
  std::thread([&] {
    EXPECT_EQ(thread_owned<Counted>().value, 0);
    EXPECT_EQ(alive, before + 1);
  }).join();
  EXPECT_EQ(alive, before);
  EXPECT_EQ(thread_owned<Counted>().value, 1);
}

struct Late : Counted {
  int made = 0;
};
// Destroyed after what it asks for, which was made later.
struct Asks {
  ~Asks() { *seen = ++thread_owned<Late>().made; }
  int* seen = nullptr;
};

TEST(ThreadOwned, ADestructorThatComesLaterGetsANewOne) {
  int seen = 0;
  const int before = alive;
  std::thread([&] {
    static thread_local Asks asks;
    asks.seen = &seen;
    thread_owned<Late>().made = 41;
  }).join();
  EXPECT_EQ(seen, 1);
  EXPECT_EQ(alive, before);
}

// The loader keeps about 1.5 KiB for all libraries that are loaded late and reach their thread-local storage without a call.
TEST(ThreadOwned, TheLibraryTakesLittleThreadLocalStorage) {
  struct Found {
    bool library = false;
    size_t bytes = 0;
  } found;
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* data) {
        if (std::string_view(info->dlpi_name).find("libkiln.so") == std::string_view::npos) return 0;
        auto& found = *static_cast<Found*>(data);
        found.library = true;
        for (int i = 0; i < info->dlpi_phnum; ++i)
          if (info->dlpi_phdr[i].p_type == PT_TLS) found.bytes = info->dlpi_phdr[i].p_memsz;
        return 1;
      },
      &found);
  EXPECT_TRUE(found.library);
  EXPECT_GT(found.bytes, 0u);
  EXPECT_LE(found.bytes, 768u);
}

}  // namespace
}  // namespace kiln::codegen
