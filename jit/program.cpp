#include "jit/program.h"

namespace kiln::jit {

Program::Program(package::Package p) : state_(std::move(p.state)) {
  for (package::Entry& e : p.entries) {
    tracer::verify(e.procedure, state_);
    entries_.push_back({e.name, std::move(e.procedure), std::make_shared<tracer::FunctionRecord>(e.name)});
  }
}

std::shared_ptr<Program> Program::load(const std::string& path) { return std::make_shared<Program>(package::load(path)); }

void Program::save(const std::string& path) const {
  package::Package p{{}, state_};
  for (const Entry& e : entries_) p.entries.push_back({e.name, e.procedure});
  package::save(p, path);
}

const Program::Entry& Program::entry(std::string_view name) const {
  std::string names;
  for (const Entry& e : entries_) {
    if (e.name == name) return e;
    names += (names.empty() ? "" : ", ") + e.name;
  }
  fail(ErrorCode::index, "the program has no entry '" + std::string(name) + "'; it has " + names);
}

const eager::Tensor& Program::state(std::string_view name) const {
  for (const tracer::StateEntry& s : state_)
    if (s.name == name) return s.value;
  fail(ErrorCode::index, "the program has no state '" + std::string(name) + "'");
}

std::vector<eager::Tensor> Program::run(const Entry& entry, std::span<const eager::Tensor> inputs) const {
  return tracer::run(entry.procedure, state_, inputs, entry.record);
}

}  // namespace kiln::jit
