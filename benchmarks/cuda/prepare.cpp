// Prepares work for `launch` on a machine that has NVRTC but needs no GPU: kernels compiled to CUBIN, inputs, and what the interpreter makes
// of them. Random kernels and every primitive to be compared; a few large programs to be compared and timed.
//
//   kiln_cuda_prepare FILE ARCHITECTURE KERNELS [RANDOM]      KERNELS: tests/cpp/cuda/kernels; RANDOM: how many random kernels
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "benchmarks/cuda/work.h"
#include "codegen/compiler.h"
#include "codegen/cuda/nvrtc.h"
#include "codegen/cuda/source.h"
#include "codegen/error.h"
#include "tests/cpp/codegen/random_kernel.h"

namespace kiln::benchmark {
namespace {

using codegen::Args;
using codegen::Kernel;

int architecture;
std::string kernels_folder;

Kernel kernel_named(const std::string& name) {
  std::ifstream file(kernels_folder + "/" + name + ".kernel");
  if (!file) fail(ErrorCode::io, "there is no kernel " + name + " in " + kernels_folder);
  std::ostringstream text;
  text << file.rdbuf();
  return codegen::parse(text.str());
}

// One kernel over a program's arenas.
struct Launch {
  Kernel kernel;
  std::vector<int64_t> extents;
  std::vector<uint32_t> arenas;  // per buffer
  std::vector<int64_t> offsets;  // per buffer, bytes
  std::vector<int64_t> strides;  // [buffer][rank] bytes
  std::vector<uint64_t> scalars;
  int64_t clip_total = 0;
};

// Runs the launches on the interpreter, over host memory, and adds them to the program with what came out.
void add_steps(Program& program, const std::vector<Launch>& launches, bool keep_content) {
  std::vector<std::vector<std::byte>> memory;
  for (const Arena& a : program.arenas) {
    memory.emplace_back(a.bytes);
    if (keep_content) std::memcpy(memory.back().data(), a.content.data(), a.bytes);
    else fill(reinterpret_cast<float*>(memory.back().data()), a.bytes / sizeof(float), a.seed);
  }
  std::vector<bool> written(memory.size());
  for (const Launch& l : launches) {
    std::vector<void*> pointers, nowhere(l.arenas.size());
    Step step;
    for (size_t b = 0; b < l.arenas.size(); ++b) {
      pointers.push_back(memory[l.arenas[b]].data() + l.offsets[b]);
      step.pointers.push_back(static_cast<uint64_t>(l.arenas[b]) << 40 | static_cast<uint64_t>(l.offsets[b]));
      if (l.kernel.buffers[b].written) written[l.arenas[b]] = true;
    }
    Args args{pointers.data(), l.strides.data(), l.extents.data(), l.scalars.data(), l.clip_total, nullptr, nullptr, nullptr};
    {
      const codegen::BackendScope interpreter(codegen::BackendKind::interpreter);
      codegen::launch(*codegen::get(l.kernel), args);
    }
    args.pointers = nowhere.data();
    const codegen::cuda::Call call = codegen::cuda::call(l.kernel, args);
    const std::string text = codegen::cuda::source(l.kernel);
    step.cubin = codegen::cuda::compile(text, architecture).cubin;
    step.grid = call.grid, step.block_x = call.block_x, step.block_y = call.block_y, step.shared_bytes = call.shared_bytes;
    step.parameters.assign(reinterpret_cast<const char*>(call.parameters.data()), call.parameters.size());
    program.steps.push_back(std::move(step));
    program.text += codegen::print(l.kernel);
  }
  for (size_t i = 0; i < memory.size(); ++i)
    if (written[i]) program.arenas[i].expected = hash(memory[i].data(), memory[i].size());
}

// -- To be compared ---------------------------------------------------------------------------------------------------------------------

Program compared(const std::string& name, const codegen::testing::KernelCase& c) {
  Program p{.name = name};
  for (size_t i = 0; i < c.arenas.size(); ++i) {
    const std::string content(reinterpret_cast<const char*>(c.arenas[i].data()), c.arenas[i].size());
    p.arenas.push_back({.bytes = content.size(), .offset = (c.seed + i) % 4 == 3 ? uint64_t{8} : 0, .content = content});
  }
  Launch l{.kernel = c.kernel, .extents = c.extents, .scalars = c.scalars, .clip_total = c.clip_total};
  for (const auto& b : c.buffers) {
    l.arenas.push_back(b.arena);
    l.offsets.push_back(b.offset);
    l.strides.insert(l.strides.end(), b.strides.begin(), b.strides.end());
  }
  add_steps(p, {l}, true);
  return p;
}

// -- To be timed ------------------------------------------------------------------------------------------------------------------------

constexpr int64_t kFloat = sizeof(float);

uint64_t bits(float value) {
  uint32_t word;
  std::memcpy(&word, &value, sizeof word);
  return word;
}

Arena filled(int64_t floats, uint64_t seed) { return {.bytes = static_cast<uint64_t>(floats * kFloat), .seed = seed}; }

// A kernel over n neighbours: inputs, then one output, an arena each.
Program pointwise(const std::string& name, const std::string& kernel, int64_t n, std::vector<uint64_t> scalars = {}) {
  Program p{.name = name};
  Launch l{.kernel = kernel_named(kernel), .extents = {n}, .scalars = std::move(scalars)};
  for (uint32_t b = 0; b < l.kernel.buffers.size(); ++b) {
    p.arenas.push_back(filled(n, l.kernel.buffers[b].written ? 0 : b + 1));
    l.arenas.push_back(b);
    l.offsets.push_back(0);
    l.strides.push_back(kFloat);
    p.moved += p.arenas.back().bytes;
  }
  add_steps(p, {l}, false);
  return p;
}

// A kernel over rows of a matrix: one input, and an output of the same shape or of one element a row.
Program over_rows(const std::string& name, const std::string& kernel, int64_t rows, int64_t columns, std::vector<uint64_t> scalars = {}) {
  Program p{.name = name};
  Launch l{.kernel = kernel_named(kernel), .extents = {rows, columns}, .arenas = {0, 1}, .offsets = {0, 0}, .scalars = std::move(scalars)};
  const bool whole = l.kernel.buffers[1].inner != codegen::Stride::zero;
  p.arenas = {filled(rows * columns, 1), filled(whole ? rows * columns : rows, 0)};
  l.strides = {columns * kFloat, kFloat, whole ? columns * kFloat : kFloat, whole ? kFloat : 0};
  p.moved = p.arenas[0].bytes + p.arenas[1].bytes;
  add_steps(p, {l}, false);
  return p;
}

// Column sums as the compiler splits them: sums of blocks of rows, then their tree.
Program column_sums(const std::string& name, int64_t rows, int64_t columns) {
  constexpr int64_t kBlock = codegen::kRowBlock;
  const int64_t blocks = (rows + kBlock - 1) / kBlock, row = columns * kFloat;
  Program p{.name = name, .moved = static_cast<uint64_t>((rows + 1) * row)};
  p.arenas = {filled(rows * columns, 1), filled(blocks * columns, 0), filled(columns, 0)};
  const Launch sums{.kernel = kernel_named("column_sums_0"),
                    .extents = {blocks, kBlock, columns},
                    .arenas = {0, 1},
                    .offsets = {0, 0},
                    .strides = {kBlock * row, row, kFloat, row, 0, kFloat},
                    .clip_total = rows};
  const Launch tree{.kernel = kernel_named("column_sums_1"),
                    .extents = {columns, blocks},
                    .arenas = {1, 2},
                    .offsets = {0, 0},
                    .strides = {kFloat, row, kFloat, 0}};
  add_steps(p, {sums, tree}, false);
  return p;
}

Program sum(const std::string& name, int64_t n) {
  constexpr int64_t kBlock = codegen::kLaneBlock;
  const int64_t blocks = (n + kBlock - 1) / kBlock;
  Program p{.name = name, .moved = static_cast<uint64_t>(n * kFloat)};
  p.arenas = {filled(n, 1), filled(blocks, 0), filled(1, 0)};
  const Launch sums{.kernel = kernel_named("sum_0"),
                    .extents = {blocks, kBlock},
                    .arenas = {0, 1},
                    .offsets = {0, 0},
                    .strides = {kBlock * kFloat, kFloat, kFloat, 0},
                    .clip_total = n};
  const Launch tree{.kernel = kernel_named("sum_1"), .extents = {blocks}, .arenas = {1, 2}, .offsets = {0, 0}, .strides = {kFloat, 0}};
  add_steps(p, {sums, tree}, false);
  return p;
}

int run(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: kiln_cuda_prepare FILE ARCHITECTURE KERNELS [RANDOM]\n");
    return 2;
  }
  architecture = std::atoi(argv[2]);
  kernels_folder = argv[3];
  const int random = argc > 4 ? std::atoi(argv[4]) : 200;
  Work work{.architecture = static_cast<uint64_t>(architecture)};
  const auto add = [&](Program p) {
    std::fprintf(stderr, "\rprepared %zu: %-40s", work.programs.size() + 1, p.name.c_str());
    work.programs.push_back(std::move(p));
  };
  for (int seed = 1; seed <= random; ++seed)
    add(compared("random kernel " + std::to_string(seed), codegen::testing::random_case(static_cast<uint64_t>(seed))));
  for (const char* name : {"relu", "gelu", "softmax", "layer_norm", "row_sums", "column_sums_0", "column_sums_1", "sum_0", "sum_1",
                           "normal", "integers", "compare", "max_pool"})
    for (uint64_t seed = 1; seed <= 4; ++seed)
      add(compared(name + (" over random memory " + std::to_string(seed)), codegen::testing::case_of(kernel_named(name), seed)));

  constexpr int64_t kMany = 100'000'000;
  add(pointwise("relu(a*b+c)-d, 100M", "relu", kMany));
  add(pointwise("GELU, 100M", "gelu", kMany, {bits(0.5f), bits(1.0f), bits(0.7978845608f), bits(0.044715f)}));
  add(pointwise("normal random, 10M", "normal", 10'000'000, {7, 42}));
  add(sum("sum, 100M", kMany));
  for (const int64_t rows : {4096, 65536}) {
    constexpr int64_t kColumns = 1024;
    const std::string shape = ", " + std::to_string(rows) + "x1024";
    add(over_rows("softmax" + shape, "softmax", rows, kColumns));
    add(over_rows("layer norm" + shape, "layer_norm", rows, kColumns, {bits(1024.0f), bits(1024.0f), bits(1024.0f), bits(1e-5f)}));
    add(over_rows("row sums" + shape, "row_sums", rows, kColumns));
    add(column_sums("column sums" + shape, rows, kColumns));
  }
  std::ofstream file(argv[1], std::ios::binary);
  const std::string out = work.write();
  if (!file.write(out.data(), static_cast<std::streamsize>(out.size())).flush())
    fail(ErrorCode::io, std::string("cannot write ") + argv[1]);
  std::fprintf(stderr, "\n%zu programs, %.1f MiB, in %s\n", work.programs.size(), static_cast<double>(out.size()) / (1 << 20), argv[1]);
  return 0;
}

}  // namespace
}  // namespace kiln::benchmark

int main(int argc, char** argv) {
  try {
    return kiln::benchmark::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "\nkiln_cuda_prepare: %s\n", error.what());
    return 1;
  }
}
