#include "jit/program.h"

namespace kiln::jit {

Program::Program(std::vector<std::pair<std::string, tracer::Procedure>> entries, std::vector<tracer::StateEntry> state)
    : state_(std::move(state)) {
  for (auto& [name, procedure] : entries) entries_.push_back({name, std::move(procedure), std::make_shared<tracer::FunctionRecord>(name)});
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
