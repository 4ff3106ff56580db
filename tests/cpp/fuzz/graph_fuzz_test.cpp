// Random programs of all operators, eagerly and as segments, on every back end, at both vector widths and with several threads: whatever can
// be seen of them must be what the interpreter shows eagerly, bit for bit.
// KILN_FUZZ_SEED runs one seed (or starts there, with KILN_FUZZ_COUNT); KILN_FUZZ_COUNT says how many follow.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <iostream>
#include <numeric>

#include "codegen/asmjit/registers.h"
#include "codegen/compiler.h"
#include "codegen/environment.h"
#include "codegen/tunables.h"
#include "jit/executable.h"
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
using codegen::Tunable;

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
    count("gathers", std::ranges::any_of(k.buffers, &codegen::Buffer::gathered));
    count("split", k.clip >= 0), count("several outputs", k.stores.size() > 1);
    count("several passes", k.reduction != codegen::Reduction::none && codegen::schedule(k).passes > 2);
    return code;
  }
  static int64_t compiled(const std::string& what) {  // by all
    int64_t n = 0;
    for (const ForIsa* b : all())
      if (const auto found = b->counts_.find(what); found != b->counts_.end()) n += found->second;
    return n;
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

// What is deferred meets the end of memory later, or never: nobody promises when.
bool ran_out_of_memory(const Outcome& o) {
  return std::ranges::any_of(o, [](const Observation& each) { return each.error.starts_with("out of memory"); });
}

// Makes it so that what wants tens of gigabytes is out of memory, where the system would lend what it does not have and end the process as it
// is used. Sanitizers reserve terabytes for themselves.
class MemoryLimit {
 public:
  MemoryLimit() {
    getrlimit(RLIMIT_AS, &before_);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    const rlimit limited{std::min<rlim_t>(before_.rlim_max, rlim_t{8} << 30), before_.rlim_max};
    setrlimit(RLIMIT_AS, &limited);
#endif
  }
  ~MemoryLimit() { setrlimit(RLIMIT_AS, &before_); }
  MemoryLimit(const MemoryLimit&) = delete;

 private:
  rlimit before_{};
};

// Compares one program everywhere; false if it differed.
bool agrees(const Program& p, const std::vector<Setting>& all) {
  const Outcome expected = run(p, oracle());
  if (ran_out_of_memory(expected)) return true;
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

std::atomic<int> cut = 0;  // programs compiled with a kernel cut for the sake of memory

std::shared_ptr<const tracer::Program> count_cut(tracer::Graph g) {
  auto program = jit::compile(std::move(g));
  cut += std::ranges::any_of(program->info().reasons, [](const std::string& why) { return why.ends_with("less memory at its peak"); });
  return program;
}

TEST(GraphFuzz, EveryWayToRunAProgramShowsTheSame) {
  codegen::x64::check_allocations = true;
  setenv("KILN_STRICT", "1", 1);  // a graph that cannot be compiled fused is an error
  const MemoryLimit limit;
  for (const int signal : kCrashes) std::signal(signal, say_what_crashed);
  Coverage coverage;
  int failures = 0;
  const tracer::Compile usual = tracer::installed_compiler();
  tracer::install_compiler(count_cut);
  for (uint64_t seed = first_seed(); seed < first_seed() + static_cast<uint64_t>(count()) && failures < 3; ++seed) {
    const Program p = random_program(seed);
    coverage.count(p);
    // Of 0: the order and the cuts of small programs are looked for, too.
    set_value(Tunable::cached_bytes, seed % 2 == 0 ? 0 : codegen::info(Tunable::cached_bytes).initial);
    if (!agrees(p, settings(seed, seed % kLlvmEvery == 0 || one_seed()))) {
      ++failures;
    } else if (seed % 3 == 0) {  // what was compiled for these numbers, with others
      failures += !agrees(with_other_numbers(p, seed), {settings(seed, false)[1]});
    }
    if (seed % 50 == 0) forget_compiled();
  }
  set_value(Tunable::cached_bytes, codegen::info(Tunable::cached_bytes).initial);
  tracer::install_compiler(usual);
  std::cout << coverage.table() << ForIsa::table() << "programs with kernels cut for memory: " << cut << "\n";
  if (count() < kDefaultCount) return;
  EXPECT_GT(cut, 0);
  EXPECT_GT(ForIsa::compiled("split"), 0);
  EXPECT_GT(ForIsa::compiled("gathers"), 0);
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

// Some program's values show that segments are compiled by a compiler with this fault, and are right without it.
void expect_found(const char* fault, tracer::Compile compile) {
  tracer::install_compiler(compile);
  forget_compiled();
  uint64_t seed = 1;
  const Setting setting{fault, &codegen::asmjit_backend(), true};
  const auto shows = [&] { return disagreement(random_program(seed), setting).find("differs first at element") != std::string::npos; };
  while (seed <= kDefaultCount && !shows()) ++seed;
  tracer::install_compiler(whole_compiler);
  forget_compiled();
  EXPECT_EQ(disagreement(random_program(seed), setting), "") << "without a fault";
  EXPECT_LE(seed, static_cast<uint64_t>(kDefaultCount)) << fault << " was not found";
  std::cout << fault << ": found at seed " << seed << "\n";
}

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
    expect_found(fault.name, [](Graph g) {
      graph_fault(g);
      return whole_compiler(std::move(g));
    });
  }
}

// ---- faults of what comes after the passes ----

using jit::DraftedCluster;
using jit::MemoryPlan;
using jit::Partition;
using tracer::Graph;
using tracer::ValueId;

jit::Meddling meddling;

// When each value is written and last read, by step; -1: never.
struct Lifetimes {
  std::vector<int> written, read;
  Lifetimes(const Graph& g, const Partition& p) : written(g.values.size(), -1), read(g.values.size(), -1) {
    for (int k = 0; k < static_cast<int>(p.clusters.size()); ++k)
      for (const tracer::NodeIndex i : p.clusters[static_cast<size_t>(k)].nodes) {
        for (uint32_t o = 0; o < g.nodes[i].outputs; ++o) written[g.nodes[i].first_output + o] = k;
        for (const tracer::Operand& o : g.nodes[i].operands)
          if (o.is_value()) read[jit::base_of(g, o.id)] = k;
      }
  }
};

bool is_temporary(const MemoryPlan& plan, ValueId v) { return plan.places[v] && !plan.places[v]->in_storage; }

// All temporaries at the arena's beginning.
void share_slots(const Graph&, const Partition&, MemoryPlan& plan) {
  for (auto& place : plan.places)
    if (place && !place->in_storage) place->offset = 0;
}

// A temporary where another lies that is read later on.
void free_too_early(const Graph& g, const Partition& p, MemoryPlan& plan) {
  const Lifetimes times(g, p);
  for (ValueId a = 0; a < plan.places.size(); ++a)
    for (ValueId b = 0; b < plan.places.size(); ++b) {
      if (a == b || !is_temporary(plan, a) || !is_temporary(plan, b) || plan.places[b]->bytes > plan.places[a]->bytes) continue;
      if (times.written[a] < times.written[b] && times.written[b] < times.read[a] && plan.places[a]->offset != plan.places[b]->offset) {
        plan.places[b]->offset = plan.places[a]->offset;
        return;
      }
    }
}

// A temporary in the memory of an input that is still seen.
void borrow_what_is_seen(const Graph& g, const Partition&, MemoryPlan& plan) {
  for (const tracer::Node& n : g.nodes) {
    if (n.kind != tracer::NodeKind::input || std::ranges::find(g.lent, n.storage) != g.lent.end()) continue;
    for (ValueId v = 0; v < plan.places.size(); ++v)
      if (is_temporary(plan, v) && plan.places[v]->bytes <= jit::bytes_of(g.type(n.first_output))) {
        plan.places[v] = jit::Place{true, n.storage, 0, plan.places[v]->bytes};
        return;
      }
  }
}

// A step before one whose result it reads.
void run_out_of_order(const Graph& g, Partition& p) {
  for (uint32_t c = 0; c + 1 < p.clusters.size(); ++c)
    for (const tracer::NodeIndex i : p.clusters[c + 1].nodes)
      for (const tracer::Operand& o : g.nodes[i].operands) {
        if (!o.is_value() || p.cluster_of[g.values[jit::base_of(g, o.id)].node] != c) continue;
        std::swap(p.clusters[c], p.clusters[c + 1]);
        for (const uint32_t at : {c, c + 1})
          for (const tracer::NodeIndex n : p.clusters[at].nodes) p.cluster_of[n] = at;
        return;
      }
}

// One of the results of a kernel of several is not stored.
void drop_a_store(std::vector<std::optional<DraftedCluster>>& drafts) {
  for (auto& drafted : drafts) {
    if (!drafted || drafted->kernels.back().kernel.stores.size() < 2) continue;
    Kernel& k = drafted->kernels.back().kernel;
    k.buffers[k.stores.back().buffer].written = false;
    k.stores.pop_back();
    return;
  }
}

TEST(GraphFuzz, FindsPlantedFaultsOfFusionAndTheMemoryPlan) {
  const std::pair<const char*, jit::Meddling> faults[] = {
      {"two live values share a slot", {.planned = share_slots}},
      {"a slot is free before its last reader", {.planned = free_too_early}},
      {"an input that is still seen lends its memory", {.planned = borrow_what_is_seen}},
      {"steps change places", {.ordered = run_out_of_order}},
      {"a store is dropped", {.drafted = drop_a_store}},
  };
  whole_compiler = tracer::installed_compiler();
  for (const auto& [name, fault] : faults) {
    meddling = fault;
    expect_found(name, [](Graph g) { return jit::compile(std::move(g), meddling); });
  }
}

}  // namespace
}  // namespace kiln::fuzz
