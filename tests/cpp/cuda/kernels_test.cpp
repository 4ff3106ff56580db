// Kernels from files, as programs made them: each compiles to CUBIN for every architecture, holds uncontracted arithmetic, and gives the
// interpreter's bits under emulation over random extents, strides and memory. KILN_CUDA_KERNELS names a folder that KILN_KERNEL_LOG has
// filled (script/cuda-check); else the few beside this file are taken.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <mutex>
#include <sstream>
#include <thread>

#include "check.h"
#include "ptx.h"

namespace kiln::codegen::cuda {
namespace {

namespace fs = std::filesystem;
using testing::KernelCase;

constexpr int kArchitectures[] = {80, 90, 100};

struct File {
  std::string name;
  Kernel kernel;
};

std::vector<File> read_kernels() {
  const char* named = std::getenv("KILN_CUDA_KERNELS");
  std::vector<File> files;
  for (const auto& entry : fs::directory_iterator(named != nullptr && *named != '\0' ? named : KILN_CUDA_SAMPLES)) {
    if (entry.path().extension() != ".kernel") continue;
    std::ostringstream text;
    text << std::ifstream(entry.path()).rdbuf();
    files.push_back({entry.path().filename().string(), parse(text.str())});
  }
  std::sort(files.begin(), files.end(), [](const File& a, const File& b) { return a.name < b.name; });
  return files;
}

TEST(CudaKernels, OfAFolderCompileForEveryArchitecture) {
  const std::vector<File> files = read_kernels();
  ASSERT_FALSE(files.empty());
  // Of every architecture all kernels, a hundred at a time.
  const size_t parts = (files.size() + 99) / 100, tasks = parts * std::size(kArchitectures);
  std::atomic<size_t> next{0};
  std::mutex mutex;
  const auto work = [&] {
    for (size_t task; (task = next++) < tasks;) {
      std::vector<Kernel> kernels;
      for (size_t i = task / std::size(kArchitectures); i < files.size(); i += parts) kernels.push_back(files[i].kernel);
      const std::string wrong = testing::wrong_programs(kernels, kArchitectures[task % std::size(kArchitectures)]);
      const std::lock_guard lock(mutex);
      if (!wrong.empty()) ADD_FAILURE() << wrong;
      if (parts > 1) std::cout << "compiled " << task + 1 << " of " << tasks << " parts" << std::endl;
    }
  };
  std::thread other(work);
  work();
  other.join();
  std::cout << files.size() << " kernels were compiled for " << std::size(kArchitectures) << " architectures\n";
}

TEST(CudaKernels, OfAFolderGiveTheInterpretersBits) {
  std::vector<KernelCase> cases;
  std::vector<std::string> names;
  for (const File& f : read_kernels())
    for (uint64_t seed : {2 * cases.size() + 1, 2 * cases.size() + 2}) {
      cases.push_back(codegen::testing::case_of(f.kernel, seed));
      names.push_back(f.name);
    }
  for (size_t first = 0; first < cases.size(); first += 1000) {
    const size_t end = std::min(first + 1000, cases.size());
    const std::vector<KernelCase> some(cases.begin() + static_cast<std::ptrdiff_t>(first),
                                       cases.begin() + static_cast<std::ptrdiff_t>(end));
    for (const auto& d : testing::disagreements(some)) ADD_FAILURE() << names[first + d.index] << ": " << d.text;
    if (cases.size() > 1000) std::cout << "ran " << end << " of " << cases.size() << std::endl;
  }
  std::cout << cases.size() << " cases of " << cases.size() / 2 << " kernels were compared\n";
}

}  // namespace
}  // namespace kiln::codegen::cuda
