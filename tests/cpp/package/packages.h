// Packages made by hand, which together hold everything a .kiln file can, and files made of their parts.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "jit/package/package.h"
#include "jit/package/zip.h"

namespace kiln::testing {

using jit::package::Package;

// A folder that is gone when the test is.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  size_t files() const;

 private:
  std::filesystem::path folder_;
};

std::string read_file(const std::string& path);
void write_file(const std::string& path, std::string_view bytes);
std::string saved(const Package&);  // the file's bytes

Package smallest_package();       // one entry that gives its input back
Package model_package();          // a symbolic batch, windows of the state, symbolic numbers, constraints
Package training_package();       // two entries that share state; writes, in-place calls, random draws, every dtype
Package value_package();          // every kind of operand, attribute and tree
std::vector<Package> packages();  // all of these

// A procedure, a register at a time.
struct Maker {
  tracer::Procedure p;
  tracer::Register input(const std::string& name, DType, std::vector<tracer::Dim> shape);
  tracer::Register state(uint32_t entry, const eager::Tensor&);
  // A call of operator `name`: operands and attributes in order, and the result's type.
  tracer::Register call(const char* name, std::vector<tracer::CallOperand> operands, eager::Attrs attrs, DType,
                        std::vector<tracer::Dim> shape);
};
inline tracer::CallOperand reg(tracer::Register r) { return {.kind = tracer::CallOperand::Kind::tensor, .tensor = r}; }
inline tracer::CallOperand num(eager::Scalar s) { return {.kind = tracer::CallOperand::Kind::scalar, .scalar = s}; }
tracer::Tree tensor_tree(int64_t number);
tracer::Tree dict_tree(std::vector<std::pair<std::string, tracer::Tree>>);

// A file's members taken apart, and a file put together of any members with sums, sizes and places that fit them.
struct Parts {
  std::string manifest, graph, weights;
};
Parts take_apart(const std::string& file);
std::string put_together(const std::vector<std::pair<std::string, std::string>>& members);
std::string put_together(const std::string& graph, const std::string& weights);  // with a manifest that fits

}  // namespace kiln::testing
