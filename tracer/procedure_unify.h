// One procedure with symbolic dimensions out of several recordings of one function, each at other values of the symbols.
//
// The recordings must make the same calls. A number that differs between them is matched with an expression of the symbols (an extent met
// before, a polynomial of low degree, a floor division); what no expression gives in every recording is an error that names the line. So
// an expression is never assumed: it is the simplest one that all recordings agree on.
#pragma once

#include "tracer/procedure.h"

namespace kiln::tracer {

// What the source did with numbers that follow from shapes, in order.
struct ShapeEvent {
  enum class Kind : uint8_t {
    comparison,  // left op right was true
    escape,      // left became an ordinary number, whose way nobody follows; fine as long as it is the same for all shapes
  } kind = Kind::comparison;
  Constraint::Op op = Constraint::Op::equal;
  int64_t left = 0, right = 0;
  std::string what;  // escape: what made it one: "len()", "int()"
  std::string where;
};

struct Recording {
  std::vector<int64_t> symbol_values;  // in the order of `symbols` below
  Procedure procedure;                 // with concrete numbers
  std::vector<ShapeEvent> events;
};

// recordings[0] gives everything that is not a number. `inputs` are the specifications, whose symbols are in `dims`, all of them and nothing
// else. Throws Error{value} where the recordings disagree beyond what expressions say.
Procedure unify(std::vector<Recording> recordings, DimTable dims, std::vector<InputSpec> inputs);

}  // namespace kiln::tracer
