// From a kernel to text. Private to codegen/cuda.
#pragma once

#include <string>
#include <vector>

#include "codegen/cuda/shape.h"
#include "codegen/cuda/source.h"

namespace kiln::codegen::cuda {

// Indented lines.
class Text {
 public:
  void line(const std::string& text);
  void open(const std::string& text);  // adds the brace that close() matches
  void otherwise();
  void close(const char* end = "}");
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
  int depth_ = 0;
};

// Names in the text: a (the arguments), p<buffer> (the element at the present outer indices), i<dim>, v<node> (a value), x<node> and
// y<buffer> (a thread's vector, as loaded and to be stored), e<node> (a reduction's block so far), t<node> (its tree), at (along the last
// dimension), r (along the reduced rows).
class Printer {
 public:
  Printer(const Kernel&, const Options&);
  std::string run();

 private:
  // Shapes (pointwise.cpp, lanes.cpp, rows.cpp): the body of the kernel function.
  void pointwise();
  struct Vectors;
  Vectors vectors() const;
  std::string aligned(const Vectors&) const;
  std::string element(uint32_t buffer) const;
  void declare_vector(const Vectors&, const std::string& name, uint32_t buffer);
  void move_vector(const Vectors&, const std::string& to, const std::string& from, uint32_t buffer);
  void each_element(const Vectors&, const std::string& statement);
  void load_vectors(const Vectors&);
  void vector_body(const Vectors&);
  void store_vectors(const Vectors&);
  void lanes();
  void lanes_loop(int pass, bool keep);
  void rows();
  void rows_loop(const Schedule::Pass&);

  // Parts of all (printer.cpp).
  void arguments();
  void outer_indices(const std::string& rest);
  void pointers(const std::string& along_last);
  void reduced_extent();
  void node(NodeId, const std::string& guard = {});
  void body(const std::vector<NodeId>& loop, const std::vector<uint32_t>& stores, const std::string& guard = {});
  void store(uint32_t store, const std::string& guard = {});
  void identities(const Schedule::Pass&, char prefix);
  void trees(const Schedule::Pass&, char prefix, int levels);

  // Loads of several turns of a loop go out at once: of more turns where a turn is short.
  static const char* unroll(size_t nodes) { return nodes <= 8 ? "#pragma unroll 8" : "#pragma unroll 4"; }
  std::string type(NodeId id) const { return std::string(type_name(kernel_.nodes[id].dtype)); }
  static std::string named(char prefix, uint32_t number) { return std::string(1, prefix) += std::to_string(number); }
  static std::string value(NodeId id) { return named('v', id); }
  std::string identity(NodeId reduce) const;
  std::string combine(NodeId reduce);  // the name of its function
  std::string combined(NodeId reduce, const std::string& a, const std::string& b) { return combine(reduce) + "(" + a + ", " + b + ")"; }
  std::string operand(NodeId reduce) const { return value(kernel_.nodes[reduce].operands[0]); }
  std::string stride(uint32_t buffer, int dim) const;
  std::string address(uint32_t buffer) const;
  std::string outer_count() const;
  bool reduces_last() const { return reduced_ == last_; }

  const Kernel& kernel_;
  const Options options_;
  const Schedule schedule_;
  const Keep keep_;
  const int last_, reduced_;
  std::vector<int> outer_;     // dimensions that are neither last nor reduced
  std::vector<bool> buffers_;  // in use
  // Where the text stands: the names of the indices that pointers do not include yet, empty where there is none.
  std::string along_last_, along_rows_;
  std::vector<std::string> index_;     // [dim], as an expression
  std::vector<std::string> combines_;  // functions printed so far
  std::string functions_;
  Text out_;
};

}  // namespace kiln::codegen::cuda
