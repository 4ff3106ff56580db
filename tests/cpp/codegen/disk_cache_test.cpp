// The disk cache as its promise says: what comes out is what went in, or nothing, whatever happens to the folder and the files in it.
#include "codegen/disk_cache.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <fstream>
#include <random>
#include <sstream>

#include "codegen/builder.h"
#include "tests/cpp/package/packages.h"

namespace kiln::codegen {
namespace {

namespace fs = std::filesystem;
using kiln::testing::read_file;
using kiln::testing::TemporaryFolder;

Kernel affine(double tag) {
  Kernel kernel;
  Builder b(kernel);
  b.store(b.add_buffer({DType::F32}), b.fma(b.load(b.add_buffer({DType::F32})), tag, 1));
  return kernel;
}

CodeImage image_of(size_t bytes, uint64_t seed) {
  std::mt19937_64 random(seed);
  CodeImage image;
  for (size_t i = 0; i < bytes; ++i) image.bytes.push_back(static_cast<std::byte>(random()));
  return image;
}

CacheEntry entry_of(size_t bytes, uint64_t seed = 1) { return {Verdict::llvm, 1.5f, image_of(bytes, seed)}; }

struct DiskCacheTest : ::testing::Test {
  TemporaryFolder parent;
  const fs::path folder = fs::path(parent.path("kiln")) / "code";
  DiskCache cache{folder.string(), "stamp", 1 << 20};

  std::vector<fs::path> files() const {
    std::vector<fs::path> all;
    for (const auto& file : fs::directory_iterator(folder)) all.push_back(file.path());
    return all;
  }
};

void write_file(const fs::path& path, const std::string& contents) {
  std::ofstream(path, std::ios::binary) << contents;
  chmod(path.c_str(), 0600);
}

TEST_F(DiskCacheTest, GivesBackWhatItWasGiven) {
  EXPECT_FALSE(cache.find(affine(1)));
  cache.store(affine(1), entry_of(1000));
  cache.store(affine(2), {Verdict::asmjit, 0.5f, {}});
  cache.store(affine(3), {Verdict::untried, 0, image_of(77, 3)});
  DiskCache other(folder.string(), "stamp", 1 << 20);  // another process, so to speak
  const auto one = other.find(affine(1)), two = other.find(affine(2)), three = other.find(affine(3));
  ASSERT_TRUE(one && two && three);
  EXPECT_EQ(Verdict::llvm, one->verdict);
  EXPECT_EQ(1.5f, one->ratio);
  EXPECT_EQ(image_of(1000, 1).bytes, one->image.bytes);
  EXPECT_EQ(Verdict::asmjit, two->verdict);
  EXPECT_TRUE(two->image.bytes.empty());
  EXPECT_EQ(Verdict::untried, three->verdict);
  EXPECT_EQ(3u, other.counters().hits);
  EXPECT_EQ(3u, cache.counters().stores);
}

TEST_F(DiskCacheTest, ReplacesAnEntry) {
  cache.store(affine(1), {Verdict::untried, 0, image_of(500, 1)});
  cache.store(affine(1), {Verdict::asmjit, 0.7f, {}});
  EXPECT_EQ(Verdict::asmjit, cache.find(affine(1))->verdict);
  EXPECT_EQ(1u, files().size());
}

TEST_F(DiskCacheTest, WhatElseCodeDependsOnKeepsEntriesApart) {
  cache.store(affine(1), entry_of(100));
  DiskCache other(folder.string(), "another processor", 1 << 20);
  EXPECT_FALSE(other.find(affine(1)));
}

TEST_F(DiskCacheTest, IsTheUsersOwn) {
  cache.store(affine(1), entry_of(100));
  struct stat s;
  ASSERT_EQ(0, stat(folder.c_str(), &s));
  EXPECT_EQ(0700u, s.st_mode & 0777);
  ASSERT_EQ(0, stat(files()[0].c_str(), &s));
  EXPECT_EQ(0600u, s.st_mode & 0777);
}

TEST_F(DiskCacheTest, LeavesFoldersAloneThatOthersMayReach) {
  cache.store(affine(1), entry_of(100));
  for (const mode_t mode : {0755, 0770, 0701}) {
    chmod(folder.c_str(), mode);
    EXPECT_FALSE(cache.find(affine(1))) << mode;
    cache.store(affine(2), entry_of(100));
    EXPECT_EQ(1u, files().size()) << mode;
  }
  chmod(folder.c_str(), 0700);
  EXPECT_TRUE(cache.find(affine(1)));
  EXPECT_EQ(3u, cache.counters().failed_stores);

  if (geteuid() == 0) {  // only root can give files away
    ASSERT_EQ(0, chown(folder.c_str(), 12345, 12345));
    EXPECT_FALSE(cache.find(affine(1)));
    ASSERT_EQ(0, chown(folder.c_str(), 0, 0));
    ASSERT_EQ(0, chown(files()[0].c_str(), 12345, 12345));
    EXPECT_FALSE(cache.find(affine(1)));
  }
}

TEST_F(DiskCacheTest, FollowsNoLinks) {
  cache.store(affine(1), entry_of(100));
  const fs::path file = files()[0], aside = fs::path(parent.path("aside"));
  fs::rename(file, aside);
  fs::create_symlink(aside, file);
  EXPECT_FALSE(cache.find(affine(1)));
  fs::rename(folder, fs::path(parent.path("elsewhere")));
  fs::create_directory_symlink(fs::path(parent.path("elsewhere")), folder);
  EXPECT_FALSE(cache.find(affine(1)));
}

TEST_F(DiskCacheTest, FilesOthersMayReadOrWriteAreNotUsed) {
  cache.store(affine(1), entry_of(100));
  chmod(files()[0].c_str(), 0622);
  EXPECT_FALSE(cache.find(affine(1)));
  cache.store(affine(1), entry_of(100));
  EXPECT_TRUE(cache.find(affine(1))) << "it is replaced";
}

// Any bit, any length: never an entry that was not stored.
TEST_F(DiskCacheTest, DamageIsFound) {
  cache.store(affine(1), entry_of(300));
  const fs::path file = files()[0];
  const std::string whole = read_file(file);
  for (size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    std::string damaged = whole;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ 1 << bit % 8);
    write_file(file, damaged);
    ASSERT_FALSE(cache.find(affine(1))) << "bit " << bit;
  }
  for (size_t length = 0; length < whole.size(); ++length) {
    write_file(file, whole.substr(0, length));
    ASSERT_FALSE(cache.find(affine(1))) << length << " bytes";
  }
  write_file(file, whole + whole);
  EXPECT_FALSE(cache.find(affine(1)));
  fs::remove(file);
  fs::create_directory(file);
  EXPECT_FALSE(cache.find(affine(1)));
  fs::remove(file);
  ASSERT_EQ(0, mkfifo(file.c_str(), 0600));  // whose opening would wait for a writer
  EXPECT_FALSE(cache.find(affine(1)));
  fs::remove(file);
  write_file(file, whole);
  EXPECT_TRUE(cache.find(affine(1)));
  EXPECT_GT(cache.counters().rejected, 8 * whole.size());
}

TEST_F(DiskCacheTest, ATamperedFileOfRandomBytesIsFound) {
  std::mt19937_64 random(7);
  cache.store(affine(1), entry_of(300));
  const fs::path file = files()[0];
  const std::string whole = read_file(file);
  for (int round = 0; round < 2000; ++round) {
    std::string damaged = whole;
    const size_t from = random() % damaged.size(), n = 1 + random() % 64;
    for (size_t i = from; i < std::min(from + n, damaged.size()); ++i) damaged[i] = static_cast<char>(random());
    if (random() % 2) damaged.resize(random() % (2 * damaged.size()));
    if (damaged == whole) continue;
    write_file(file, damaged);
    ASSERT_FALSE(cache.find(affine(1))) << "round " << round;
  }
}

TEST_F(DiskCacheTest, AFileUnderAnotherKernelsNameIsNotThatKernels) {
  cache.store(affine(1), entry_of(100));
  const fs::path one = files()[0];
  const std::string contents = read_file(one);
  fs::remove(one);
  cache.store(affine(2), entry_of(100));
  write_file(files()[0], contents);
  EXPECT_FALSE(cache.find(affine(2)));
}

TEST_F(DiskCacheTest, KeepsWithinItsLimitWhatWasUsedLast) {
  DiskCache small(folder.string(), "stamp", 40'000);
  for (int i = 0; i < 10; ++i) {
    small.store(affine(i), entry_of(3000));
    for (const fs::path& file : files())  // all a second older than before
      fs::last_write_time(file, fs::last_write_time(file) - std::chrono::seconds(1));
  }
  ASSERT_EQ(10u, files().size());
  for (const fs::path& file : files()) fs::last_write_time(file, fs::last_write_time(file) - std::chrono::hours(2));
  EXPECT_TRUE(small.find(affine(0)));  // whose use counts
  for (int i = 10; i < 20; ++i) small.store(affine(i), entry_of(3000));
  uintmax_t bytes = 0;
  for (const fs::path& file : files()) bytes += fs::file_size(file);
  EXPECT_LE(bytes, 40'000u);
  EXPECT_TRUE(small.find(affine(0)));
  EXPECT_FALSE(small.find(affine(1)));
  EXPECT_TRUE(small.find(affine(19)));
  EXPECT_GT(small.counters().evictions, 0u);
  small.store(affine(99), entry_of(50'000));  // more than the limit by itself
  EXPECT_FALSE(small.find(affine(99)));
}

TEST_F(DiskCacheTest, ClearsAwayWhatProcessesLeftHalfDone) {
  cache.store(affine(1), entry_of(100));
  const fs::path stale = folder / "0123.code.77.draft", fresh = folder / "4567.code.78.draft";
  write_file(stale, "half");
  write_file(fresh, "half");
  fs::last_write_time(stale, fs::last_write_time(stale) - std::chrono::hours(1));
  DiskCache next(folder.string(), "stamp", 1 << 20);
  next.store(affine(2), entry_of(100));
  EXPECT_FALSE(fs::exists(stale));
  EXPECT_TRUE(fs::exists(fresh));
}

TEST_F(DiskCacheTest, NoFolderIsNoError) {
  DiskCache nowhere("/dev/null/kiln/code", "stamp", 1 << 20);
  nowhere.store(affine(1), entry_of(100));
  EXPECT_FALSE(nowhere.find(affine(1)));
  EXPECT_EQ(1u, nowhere.counters().failed_stores);
  cache.store(affine(1), entry_of(100));
  fs::remove_all(fs::path(parent.path("kiln")));  // under a running process
  EXPECT_FALSE(cache.find(affine(1)));
  cache.store(affine(1), entry_of(100));
  EXPECT_TRUE(cache.find(affine(1)));
}

// A file that can only be written in part: as on a full disk.
TEST_F(DiskCacheTest, AFullDiskLeavesNothingBehind) {
  cache.store(affine(1), entry_of(100));
  const pid_t child = fork();
  if (child == 0) {
    const rlimit limit{2000, 2000};
    setrlimit(RLIMIT_FSIZE, &limit);
    std::signal(SIGXFSZ, SIG_IGN);
    cache.store(affine(2), entry_of(100'000));
    _exit(cache.find(affine(1)) && !cache.find(affine(2)) && cache.counters().failed_stores == 1 ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(child, waitpid(child, &status, 0));
  EXPECT_EQ(0, status);
  EXPECT_EQ(1u, files().size());
}

// Many processes, few kernels, one folder, and a limit that makes them delete each other's files.
TEST_F(DiskCacheTest, ProcessesShareIt) {
  std::vector<pid_t> children;
  for (int c = 0; c < 4; ++c) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(30);
      DiskCache mine(folder.string(), "stamp", 30'000);
      for (int i = 0; i < 300; ++i) {
        const int which = (i * 7 + c) % 12;
        if (const auto found = mine.find(affine(which)); found && found->image.bytes != image_of(4000, static_cast<uint64_t>(which)).bytes)
          _exit(1);
        mine.store(affine(which), entry_of(4000, static_cast<uint64_t>(which)));
      }
      _exit(mine.counters().rejected == 0 && mine.counters().hits > 0 && mine.counters().failed_stores == 0 ? 0 : 2);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = -1;
    ASSERT_EQ(child, waitpid(child, &status, 0));
    EXPECT_EQ(0, status);
  }
}

// Code from the disk is code: it gives the bits that freshly compiled code gives.
TEST_F(DiskCacheTest, CodeFromTheDiskRuns) {
  ImageCompiler* llvm = llvm_library();
  ASSERT_NE(nullptr, llvm);
  Kernel kernel;
  Builder b(kernel);
  const Value x = b.load(b.add_buffer({DType::F32}));
  b.store(b.add_buffer({DType::F32}), b.select(b.lt(x, 0.3), x * 3.25 + 0.1, b.sqrt(x)));
  const auto image = llvm->compile(kernel, isa());
  ASSERT_TRUE(image);
  cache.store(kernel, {Verdict::llvm, 1, *image});
  const auto found = cache.find(kernel);
  ASSERT_TRUE(found);
  const auto code = place_image(found->image), oracle = interpreter_backend().compile(kernel, isa());
  std::vector<float> in(1003), out(1003), want(1003);
  for (size_t i = 0; i < in.size(); ++i) in[i] = static_cast<float>(i) * 0.001f;
  for (const auto& [by, to] : {std::pair{code, &out}, std::pair{oracle, &want}}) {
    void* pointers[] = {in.data(), to->data()};
    const int64_t strides[] = {4, 4}, extents[] = {1003};
    const Args args{pointers, strides, extents, nullptr, 0, nullptr, nullptr, by->self};
    ASSERT_EQ(0u, by->function(&args, 0, block_count(kernel, extents)));
  }
  EXPECT_EQ(0, std::memcmp(out.data(), want.data(), out.size() * sizeof(float)));
}

TEST(LlvmLibrary, SaysWhichItIsWithoutBeingOpened) {
  EXPECT_EQ(40u, llvm_library_id().size());
  EXPECT_EQ(std::string::npos, llvm_library_id().find_first_not_of("0123456789abcdef"));
}

}  // namespace
}  // namespace kiln::codegen
