// What it costs to compile a kernel with AsmJit, step by step, in microseconds (the best of many), beside AsmJit's Assembler alone on the very
// same instructions; then how that grows with the kernel's size.
//   kiln_compile_latency [--repetitions=N]
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <random>
#include <string_view>

#include "codegen/asmjit/stages.h"
#include "codegen/builder.h"
#include "codegen/compiler.h"
#include "codegen/math.h"

namespace {

using namespace kiln::codegen;
using kiln::DType;

using Body = void (*)(Builder&, int operators);

Kernel built(Body body, int operators) {
  Kernel k;
  Builder b(k);
  body(b, operators);
  return k;
}

Value input(Builder& b) { return b.load(b.add_buffer({.dtype = DType::F32})); }
void output(Builder& b, Value v) { b.store(b.add_buffer({.dtype = DType::F32}), v); }

void chain(Builder& b, int) {
  const Value x = input(b), y = input(b), z = input(b), w = input(b);
  output(b, b.maximum(x * y + z, 0) - w);
}

void gelu(Builder& b, int) {
  const Value x = input(b);
  output(b, x * 0.5 * (tanh(b, (x + x * x * x * 0.044715) * 0.7978845608) + 1.0));
}

// A DAG of three inputs; each operator takes recent values, and all are needed. `functions`: one in so many is an exponential.
void dag(Builder& b, int operators, int functions) {
  std::mt19937 rng(1);
  std::vector<Value> values{input(b), input(b), input(b)};
  for (int i = 0; i < operators; ++i) {
    const Value x = values.back(), y = values[values.size() - 2 - rng() % std::min<size_t>(values.size() - 1, 8)];
    if (functions > 0 && i % functions == functions - 1) values.push_back(exp(b, x));
    else if (i % 5 == 4) values.push_back(b.maximum(x, y));
    else values.push_back(i % 3 == 0 ? x * y : i % 3 == 1 ? x + y : x - 0.5 * y);
  }
  output(b, values.back());
}
void arithmetic(Builder& b, int operators) { dag(b, operators, 0); }
void with_functions(Builder& b, int operators) { dag(b, operators, 8); }

template <class F>
double best_of(int repetitions, F f) {
  double best = 1e30;
  for (int r = 0; r < repetitions; ++r) {
    const auto start = std::chrono::steady_clock::now();
    f();
    best = std::min(best, std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

void heads(const char* first) {
  std::printf("| %-32s | nodes | build | hash, verify | lower | allocate | encode | place | whole | Assembler alone | ratio |\n", first);
  std::printf("|%s|%s", "----------------------------------", "---|---|---|---|---|---|---|---|---|---|\n");
}

void row(const char* name, Body body, int operators, int repetitions) {
  const Kernel kernel = built(body, operators);
  const double build = best_of(repetitions, [&] { built(body, operators); });
  const double check = best_of(repetitions, [&] {
    verify(kernel);
    static volatile uint64_t sink;
    sink = hash(kernel);
  });
  const x64::StageTimes t = x64::time_stages(kernel, isa(), repetitions);
  const double whole = best_of(repetitions, [&] { asmjit_backend().compile(kernel, isa()); });
  std::printf("| %-32s | %zu | %.1f | %.1f | %.1f | %.1f | %.1f | %.1f | %.1f | %.1f (%zu instructions) | %.1f |\n", name,
              kernel.nodes.size(), build, check, t.lower, t.allocate, t.encode, t.place, whole, t.assembler, t.instructions,
              whole / t.assembler);
}

}  // namespace

int main(int count, char** arguments) {
  int repetitions = 300;
  for (int i = 1; i < count; ++i) {
    const std::string_view argument = arguments[i], option = "--repetitions=";
    if (argument.starts_with(option)) std::from_chars(argument.data() + option.size(), argument.data() + argument.size(), repetitions);
  }
  heads("kernel");
  row("relu(a*b+c)-d", chain, 4, repetitions);
  row("GELU", gelu, 9, repetitions);
  row("30 arithmetic operators", arithmetic, 30, repetitions);
  row("30 operators, 3 exponentials", with_functions, 30, repetitions);
  std::printf("\n");
  heads("operators, one in 8 exp");
  for (int n : {10, 30, 100, 300, 1'000, 3'000}) row(std::to_string(n).c_str(), with_functions, n, std::max(3, repetitions * 10 / n));
}
