// Random programs of all operators, eagerly and as segments, on every back end, at both vector widths and with several threads: whatever can
// be seen of them must be what the interpreter shows eagerly, bit for bit.
// KILN_FUZZ_SEED runs one seed (or starts there, with KILN_FUZZ_COUNT); KILN_FUZZ_COUNT says how many follow.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <iostream>
#include <numeric>

#include "codegen/asmjit/registers.h"
#include "codegen/compiler.h"
#include "codegen/environment.h"
#include "tests/cpp/fuzz/coverage.h"
#include "tests/cpp/fuzz/generator.h"
#include "tests/cpp/fuzz/machine.h"
#include "tracer/program.h"
#include "tracer/program_cache.h"

namespace kiln::fuzz {
namespace {

using codegen::Backend;
using codegen::BackendKind;
using codegen::Isa;
using codegen::Kernel;
using codegen::Node;
using codegen::NodeKind;
using codegen::Prim;

constexpr int64_t kDefaultCount = 300;
constexpr std::array kCrashes{SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE};
constexpr uint64_t kLlvmEvery = 5;  // LLVM takes its time: every so many programs

// A back end for vectors of one width, which counts what it compiles. Kernels are kept apart by the back end's address.
class ForIsa final : public Backend {
 public:
  ForIsa(Backend& backend, Isa isa) : backend_(backend), isa_(isa) { all().push_back(this); }
  BackendKind kind() const override { return backend_.kind(); }
  std::shared_ptr<codegen::Code> compile(const Kernel& k, Isa) override {
    constexpr std::array kKinds{"pointwise", "lanes", "rows", "tree"};
    auto code = backend_.compile(k, isa_);
    const auto count = [&](const char* what, bool is = true) { counts_[what] += is; };
    count("all"), count(kKinds[static_cast<size_t>(k.reduction)]), count("not covered", code == nullptr);
    count("split", k.clip >= 0), count("several outputs", k.stores.size() > 1);
    count("several passes", k.reduction != codegen::Reduction::none && codegen::schedule(k).passes > 2);
    return code;
  }
  static std::string table() {
    std::string text;
    for (const ForIsa* b : all()) {
      text += "kernels of " + std::string(name_of(b->kind())) + (b->isa_ == Isa::avx512 ? " avx512:" : " avx2:");
      for (const auto& [what, n] : b->counts_) text += "  " + what + " " + std::to_string(n);
      text += "\n";
    }
    return text;
  }

 private:
  static std::vector<ForIsa*>& all() {
    static std::vector<ForIsa*> all;
    return all;
  }
  Backend& backend_;
  const Isa isa_;
  std::map<std::string, int64_t> counts_;
};

// Kernels as operators' bodies are written, one operator at a time: nothing is simplified, nothing is fused.
const Setting& oracle() {
  static ForIsa interpreter(codegen::interpreter_backend(), codegen::isa());
  static const Setting setting{.name = "interpreter", .backend = &interpreter, .simplified = false};
  return setting;
}

uint64_t first_seed() { return static_cast<uint64_t>(codegen::environment_integer("KILN_FUZZ_SEED", 0, INT64_MAX).value_or(1)); }
int64_t count() {
  const bool seed = codegen::environment_integer("KILN_FUZZ_SEED", 0, INT64_MAX).has_value();
  return codegen::environment_integer("KILN_FUZZ_COUNT", 1, INT64_MAX).value_or(seed ? 1 : kDefaultCount);
}
bool one_seed() { return count() == 1; }

// What is compared with the oracle. All static: compiled kernels are kept by their back end's address.
std::vector<Setting> settings(uint64_t seed, bool with_llvm) {
  static ForIsa interpreter(codegen::interpreter_backend(), codegen::isa());
  static ForIsa asmjit(codegen::asmjit_backend(), codegen::isa()), asmjit_avx2(codegen::asmjit_backend(), Isa::avx2);
  const int threads = seed % 2 == 0 ? 2 : 3;
  std::vector<Setting> all{{"asmjit", &asmjit},
                           {"asmjit, segment", &asmjit, true},
                           {"asmjit, segment again", &asmjit, true},
                           {"interpreter, segment", &interpreter, true},
                           {"asmjit, segment, " + std::to_string(threads) + " threads", &asmjit, true, threads}};
  if (codegen::isa() != Isa::avx2) {
    all.push_back({"asmjit avx2", &asmjit_avx2, false, threads});
    all.push_back({"asmjit avx2, segment", &asmjit_avx2, true});
  }
  if (Backend* backend = with_llvm ? codegen::llvm_backend() : nullptr) {
    static ForIsa llvm(*backend, codegen::isa()), llvm_avx2(*backend, Isa::avx2);
    all.push_back({"llvm", &llvm});
    all.push_back({"llvm, segment", &llvm, true, threads});
    if (codegen::isa() != Isa::avx2) all.push_back({"llvm avx2, segment", &llvm_avx2, true});
  }
  return all;
}

// Does running it end the process? Asked of a child.
bool crashes(const Program& p, const Setting& setting) {
  const pid_t child = fork();
  if (child == 0) {
    for (const int signal : kCrashes) std::signal(signal, SIG_DFL);
    run(p, setting);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFSIGNALED(status);
}

std::string disagreement(const Program& p, const Setting& setting) {
  if (one_seed() && crashes(p, setting)) return "crashes";  // who asks for one seed has the time
  return difference(run(p, oracle()), run(p, setting));
}

// A shorter program that still disagrees.
Program shrink(Program p, const Setting& setting) {
  for (bool shorter = true; shorter;) {
    shorter = false;
    for (size_t i = p.steps.size(); i-- > 0;) {
      const Program smaller = without(p, i);
      if (disagreement(smaller, setting).empty()) continue;
      p = smaller;
      i = std::min(i, p.steps.size());
      shorter = true;
    }
  }
  const Program smaller = without_unused_leaves(p);
  return disagreement(smaller, setting).empty() ? p : smaller;
}

void report(const Program& p, const Setting& setting, const std::string& what) {
  const Program small = shrink(p, setting);
  ADD_FAILURE() << setting.name << ": " << what << "\n"
                << describe(p) << "\nshrunk:\n"
                << describe(small) << disagreement(small, setting) << "\nagain: KILN_FUZZ_SEED=" << p.seed << " KILN_FUZZ_COUNT=1";
}

// Programs and kernels of seeds that are done are never asked for again.
void forget_compiled() {
  tracer::ProgramCache::instance().clear();
  codegen::clear_kernel_cache();
}

// What runs now, for the message of a crash: the process cannot say more.
char now_running[256] = "";
void say_what_crashed(int signal) {
  (void)!write(STDERR_FILENO, now_running, strlen(now_running));
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

// Compares one program everywhere; false if it differed.
bool agrees(const Program& p, const std::vector<Setting>& all) {
  const Outcome expected = run(p, oracle());
  for (const Setting& setting : all) {
    std::snprintf(now_running, sizeof now_running, "crashed: %s, KILN_FUZZ_SEED=%llu\n", setting.name.c_str(),
                  static_cast<unsigned long long>(p.seed));
    const std::string what = one_seed() && crashes(p, setting) ? "crashes" : difference(expected, run(p, setting));
    if (what.empty()) continue;
    report(p, setting, what);
    return false;
  }
  return true;
}

TEST(GraphFuzz, EveryWayToRunAProgramShowsTheSame) {
  codegen::x64::check_allocations = true;
  setenv("KILN_STRICT", "1", 1);  // a graph that cannot be compiled fused is an error
  for (const int signal : kCrashes) std::signal(signal, say_what_crashed);
  Coverage coverage;
  int failures = 0;
  for (uint64_t seed = first_seed(); seed < first_seed() + static_cast<uint64_t>(count()) && failures < 3; ++seed) {
    const Program p = random_program(seed);
    coverage.count(p);
    if (!agrees(p, settings(seed, seed % kLlvmEvery == 0 || one_seed()))) {
      ++failures;
    } else if (seed % 3 == 0) {  // what was compiled for these numbers, with others
      failures += !agrees(with_other_numbers(p, seed), {settings(seed, false)[1]});
    }
    if (seed % 50 == 0) forget_compiled();
  }
  std::cout << coverage.table() << ForIsa::table();
  if (count() < kDefaultCount) return;
  EXPECT_EQ(coverage.rare(), std::vector<std::string>{}) << "in fewer than one program in a hundred";
}

// A back end with a fault: it compiles another kernel than it was given.
class Faulty final : public Backend {
 public:
  Faulty(Backend& backend, Isa isa, void (*fault)(Kernel&)) : backend_(backend), isa_(isa), fault_(fault) {}
  BackendKind kind() const override { return backend_.kind(); }
  std::shared_ptr<codegen::Code> compile(const Kernel& kernel, Isa) override {
    Kernel wrong = kernel;
    fault_(wrong);
    return backend_.compile(wrong, isa_);
  }

 private:
  Backend& backend_;
  const Isa isa_;
  void (*const fault_)(Kernel&);
};

void swap_prim(Kernel& k, Prim from, Prim to) {
  for (Node& n : k.nodes)
    if (n.kind == NodeKind::primitive && n.prim == from && n.dtype != DType::Bool) n.prim = to;
}

TEST(GraphFuzz, FindsPlantedFaults) {
  struct Fault {
    const char* name;
    void (*plant)(Kernel&);
  };
  static constexpr Fault kFaults[] = {
      {"max computes min", [](Kernel& k) { swap_prim(k, Prim::max, Prim::min); }},
      {"floor computes trunc", [](Kernel& k) { swap_prim(k, Prim::floor, Prim::trunc); }},
      {"a fused multiply-add takes its addend for a factor",
       [](Kernel& k) {
         for (Node& n : k.nodes)
           if (n.kind == NodeKind::primitive && n.prim == Prim::fma) std::swap(n.operands[0], n.operands[2]);
       }},
  };
  struct Place {
    Backend* backend;
    Isa isa;
  };
  std::vector<Place> places{{&codegen::interpreter_backend(), codegen::isa()}, {&codegen::asmjit_backend(), codegen::isa()}};
  if (codegen::llvm_backend() != nullptr) places.push_back({codegen::llvm_backend(), codegen::isa()});
  if (codegen::isa() != Isa::avx2) places.push_back({&codegen::asmjit_backend(), Isa::avx2});
  for (const auto [backend, isa] : places) {
    for (const Fault& fault : kFaults) {
      Backend& faulty = *std::make_unique<Faulty>(*backend, isa, fault.plant).release();  // lives on: see Setting
      uint64_t seed = 1;
      const auto found = [&](bool segment) { return !disagreement(random_program(seed), {fault.name, &faulty, segment}).empty(); };
      while (seed <= kDefaultCount && !found(seed % 2 == 0)) ++seed;
      EXPECT_LE(seed, static_cast<uint64_t>(kDefaultCount)) << fault.name << " in " << name_of(backend->kind()) << " was not found";
      std::cout << name_of(backend->kind()) << (isa == Isa::avx2 ? " avx2, " : " avx512, ") << fault.name << ": found at seed " << seed
                << "\n";
    }
  }
}

// A pass with a fault: what is compiled is another graph than the one that was recorded.
void (*graph_fault)(tracer::Graph&) = nullptr;
tracer::Compile whole_compiler = nullptr;

TEST(GraphFuzz, FindsPlantedFaultsOfPasses) {
  using tracer::Graph;
  struct Fault {
    const char* name;
    void (*plant)(Graph&);
  };
  constexpr Fault kFaults[] = {
      {"a write is lost",
       [](Graph& g) {
         std::vector<tracer::ValueId> forward(g.values.size());
         std::iota(forward.begin(), forward.end(), 0);
         for (const tracer::Node& n : g.nodes)
           if (n.kind == tracer::NodeKind::update) forward[n.first_output] = forward[n.operands[0].id];
         g.rewrite(forward);
       }},
      {"operands of a difference change places",
       [](Graph& g) {
         for (tracer::Node& n : g.nodes)
           if (n.kind == tracer::NodeKind::operation && n.op->name == "subtract") std::swap(n.operands[0], n.operands[1]);
       }},
      {"numbers change places",
       [](Graph& g) {
         for (tracer::Node& n : g.nodes)
           for (tracer::Operand& o : n.operands)
             if (o.kind == tracer::Operand::Kind::scalar) o.id = (o.id + 1) % g.scalars;
       }},
  };
  whole_compiler = tracer::installed_compiler();
  for (const Fault& fault : kFaults) {
    graph_fault = fault.plant;
    tracer::install_compiler([](Graph g) {
      graph_fault(g);
      return whole_compiler(std::move(g));
    });
    forget_compiled();
    uint64_t seed = 1;
    const Setting setting{fault.name, &codegen::asmjit_backend(), true};
    while (seed <= kDefaultCount && disagreement(random_program(seed), setting).empty()) ++seed;
    tracer::install_compiler(whole_compiler);
    EXPECT_LE(seed, static_cast<uint64_t>(kDefaultCount)) << fault.name << " was not found";
    std::cout << fault.name << ": found at seed " << seed << "\n";
  }
  forget_compiled();
}

}  // namespace
}  // namespace kiln::fuzz
