// Random programs, written down as procedures from tensors without values, saved, loaded and run: results, inputs and state must be what the
// program leaves eagerly, bit for bit. KILN_FUZZ_SEED and KILN_FUZZ_COUNT as in graph_fuzz_test.cpp.
#include <gtest/gtest.h>

#include <filesystem>
#include <iostream>

#include "codegen/environment.h"
#include "eager/generator.h"
#include "jit/program.h"
#include "tests/cpp/fuzz/generator.h"
#include "tests/cpp/fuzz/machine.h"
#include "tracer/procedure_recorder.h"

namespace kiln::fuzz {
namespace {

using eager::Tensor;
using jit::package::Package;
using tracer::ProcedureRecorder;
using tracer::Tree;

constexpr int64_t kDefaultCount = 150;

// Does its result's shape follow from the values of operands?
bool shape_from_data(const Step& s) {
  if (s.op == nullptr) return false;
  const bool repeats_by_a_tensor = s.op->name == "repeat" && std::holds_alternative<TensorId>(s.operands[1]);
  return s.op->shape_from_data || repeats_by_a_tensor;
}

// What a procedure can hold: no step that raises, none that looks at values on the way.
Program recordable(Program p) {
  Machine machine;
  for (const Leaf& leaf : p.leaves) machine.add(leaf);
  std::vector<Step> kept;
  for (const Step& s : p.steps)
    if (s.kind != Step::Kind::read && !shape_from_data(s) && machine.apply(s)) kept.push_back(s);
  p.steps = std::move(kept);
  return p;
}

bool is_input(const Program& p, const Leaf& leaf) { return (p.seed + static_cast<uint64_t>(leaf.id)) % 2 == 0; }

struct Recorded {
  Package package;
  std::vector<std::string> results;   // what each is
  std::vector<std::string> captured;  // state entry: the leaf it is the memory of
};

Tensor whole_copy(const Tensor& t) {
  const auto elements = static_cast<int64_t>(t.storage().bytes()) / size_of(t.dtype());
  Tensor copy = Tensor::empty({elements}, t.dtype());
  if (elements > 0) std::memcpy(copy.data(), t.storage().data(), t.storage().bytes());
  return copy;
}

Recorded record(const Program& p) {
  ProcedureRecorder recorder;
  std::vector<std::pair<Tensor, std::string>> leaves;
  Recorded made;
  std::vector<Tensor> results;
  {
    Machine machine;
    for (const Leaf& leaf : p.leaves) {
      const Tensor t = is_input(p, leaf) ? recorder.add_input({leaf.dtype, leaf.shape}) : tensor_of(leaf);
      leaves.emplace_back(t, "t" + std::to_string(leaf.id));
      machine.add(leaf, t);
    }
    recorder.start();
    for (const Step& s : p.steps)
      if (!machine.apply(s)) fail(ErrorCode::internal, "recording raised: " + machine.error());
    recorder.stop();
    for (const auto& [what, t] : machine.visible()) {
      made.results.push_back(what);
      results.push_back(t);
    }
  }
  tracer::Procedure procedure = recorder.take(results);
  procedure.arguments.kind = Tree::Kind::dict;
  for (size_t i = 0; i < procedure.inputs.size(); ++i) {
    procedure.inputs[i].name = "x" + std::to_string(i);
    procedure.arguments.keys.push_back(procedure.inputs[i].name);
    procedure.arguments.children.push_back({.kind = Tree::Kind::tensor, .integer = static_cast<int64_t>(i)});
  }
  procedure.results.kind = Tree::Kind::list;
  for (const Tensor& t : results)
    procedure.results.children.push_back({.kind = Tree::Kind::tensor, .integer = static_cast<int64_t>(recorder.register_of(t))});
  for (const auto& c : recorder.captured()) {
    made.package.state.push_back({"state_" + std::to_string(made.package.state.size()), whole_copy(c.first)});
    for (const auto& [t, name] : leaves)
      if (&t.storage() == c.storage.get()) made.captured.push_back(name);
  }
  made.package.entries.push_back({"main", std::move(procedure)});
  return made;
}

// Empty if the procedure does what the program does.
std::string disagreement(const Program& p, const std::string& path) {
  Machine machine;
  std::vector<std::pair<std::string, Tensor>> leaves;
  for (const Leaf& leaf : p.leaves) {
    const Tensor t = tensor_of(leaf);
    leaves.emplace_back("t" + std::to_string(leaf.id), t);
    machine.add(leaf, t);
  }
  for (const Step& s : p.steps) machine.apply(s);
  const auto expected = machine.visible();

  const Recorded recorded = record(p);
  jit::package::save(recorded.package, path);
  const auto program = jit::Program::load(path);
  if (tracer::print(program->entries()[0].procedure, program->state()) !=
      tracer::print(recorded.package.entries[0].procedure, recorded.package.state))
    return "the loaded procedure is another one";

  std::vector<Tensor> inputs;
  std::vector<std::string> input_names;
  for (const Leaf& leaf : p.leaves) {
    if (!is_input(p, leaf)) continue;
    inputs.push_back(tensor_of(leaf));
    input_names.push_back("t" + std::to_string(leaf.id));
  }
  eager::set_generator_state({.key = 7, .call = 3});
  const std::vector<Tensor> found = program->run(program->entries()[0], inputs);

  const auto differ = [](const std::string& what, const Tensor& a, const Tensor& b) -> std::string {
    if (a.dtype() != b.dtype()) return what + " has another dtype";
    return dense(a) == dense(b) ? "" : what + " differs";
  };
  if (found.size() != expected.size()) return "another number of results";
  for (size_t i = 0; i < found.size(); ++i) {
    if (recorded.results[i] != expected[i].first) return "results in another order";
    if (found[i].shape() != expected[i].second.shape()) return recorded.results[i] + " has another shape";
    if (auto d = differ(recorded.results[i], found[i], expected[i].second); !d.empty()) return d;
  }
  const auto leaf_named = [&](const std::string& name) {
    return std::find_if(leaves.begin(), leaves.end(), [&](const auto& l) { return l.first == name; })->second;
  };
  for (size_t i = 0; i < inputs.size(); ++i)
    if (auto d = differ("input " + input_names[i] + " afterwards", inputs[i], leaf_named(input_names[i])); !d.empty()) return d;
  for (size_t i = 0; i < recorded.captured.size(); ++i)
    if (auto d = differ("state " + recorded.captured[i] + " afterwards", program->state()[i].value, leaf_named(recorded.captured[i]));
        !d.empty())
      return d;
  return {};
}

TEST(ProcedureFuzz, ProceduresDoWhatTheProgramsDid) {
  const bool seeded = codegen::environment_integer("KILN_FUZZ_SEED", 0, INT64_MAX).has_value();
  const auto first = static_cast<uint64_t>(codegen::environment_integer("KILN_FUZZ_SEED", 0, INT64_MAX).value_or(1));
  const int64_t count = codegen::environment_integer("KILN_FUZZ_COUNT", 1, INT64_MAX).value_or(seeded ? 1 : kDefaultCount);
  const std::string path = std::filesystem::temp_directory_path() / ("kiln-procedure-fuzz-" + std::to_string(getpid()) + ".kiln");
  int64_t calls = 0, failures = 0, refused = 0;
  for (uint64_t seed = first; seed < first + static_cast<uint64_t>(count) && failures < 3; ++seed) {
    const Program p = recordable(random_program(seed));
    calls += static_cast<int64_t>(p.steps.size());
    std::string what;
    try {
      what = disagreement(p, path);
    } catch (const Error& e) {
      what = std::string("raises ") + e.what();
      if (what.find("was not made by an operator") != std::string::npos) {  // which exporting says, rather than to be wrong
        ++refused;
        continue;
      }
    }
    if (what.empty()) continue;
    ++failures;
    ADD_FAILURE() << what << "\n" << describe(p) << "again: KILN_FUZZ_SEED=" << seed;
  }
  std::filesystem::remove(path);
  std::cout << count << " programs, " << calls << " steps; " << refused << " refused\n";
  EXPECT_LE(refused * 20, count);
}

}  // namespace
}  // namespace kiln::fuzz
