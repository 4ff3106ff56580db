#include "jit/program.h"

#include <kiln/program.h>

#include "cpp/handle.h"
#include "tracer/explain.h"

namespace kiln {

// The name `kiln::jit` is a function's in the public headers and a room's in here, so the headers cannot name the room's class.
class detail::LoadedProgram : public jit::Program {
 public:
  using jit::Program::Program;
};

std::vector<InputSpec> Entry::inputs() const {
  const tracer::Procedure& p = program_->entry(name_).procedure;
  std::vector<InputSpec> specs;
  for (const tracer::InputSpec& i : p.inputs) {
    InputSpec spec{i.name, i.type.dtype, {}};
    for (const tracer::Dim d : i.type.shape) spec.shape.push_back(p.dims.text(d));
    specs.push_back(std::move(spec));
  }
  return specs;
}

std::vector<Tensor> Entry::run(std::span<const Tensor> inputs) const {
  std::vector<eager::Tensor> given;
  for (const Tensor& t : inputs) given.push_back(detail::Access::tensor(t));
  std::vector<Tensor> results;
  for (const eager::Tensor& t : program_->run(program_->entry(name_), given)) results.push_back(detail::Access::handle(t));
  return results;
}

Tensor Entry::only(std::vector<Tensor> results) const {
  if (results.size() != 1)
    fail(ErrorCode::value, "entry '" + name_ + "' has " + std::to_string(results.size()) + " results; call run(), which gives them all");
  return results[0];
}

std::string Entry::text() const { return tracer::print(program_->entry(name_).procedure, program_->state()); }
std::string Entry::explain() const { return tracer::explain(*program_->entry(name_).record); }

std::vector<std::string> Program::entries() const {
  std::vector<std::string> names;
  for (const auto& e : program_->entries()) names.push_back(e.name);
  return names;
}

Entry Program::operator[](std::string_view entry) const { return {program_, program_->entry(entry).name}; }

Entry Program::only() const {
  if (program_->entries().size() == 1) return {program_, program_->entries()[0].name};
  std::string names;
  for (const std::string& name : entries()) names += (names.empty() ? "" : ", ") + name;
  fail(ErrorCode::value, "the program has several entries; name one: program[\"...\"] of " + names);
}

std::vector<std::string> Program::state_names() const {
  std::vector<std::string> names;
  for (const auto& s : program_->state()) names.push_back(s.name);
  return names;
}

Tensor Program::state(std::string_view name) const { return detail::Access::handle(program_->state(name)); }

void Program::save(const std::string& path) const { program_->save(path); }

Program load(const std::string& path) { return Program(std::make_shared<detail::LoadedProgram>(jit::package::load(path))); }

}  // namespace kiln
