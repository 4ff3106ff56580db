// Finds the expression behind a number that was seen at several values of the symbols.
#pragma once

#include <optional>
#include <vector>

#include "tracer/procedure.h"

namespace kiln::tracer {

struct FloatFit {
  ScalarForm form;
  double factor;
  Dim dim;
};

class DimFit {
 public:
  // samples[k]: the symbols' values, in the table's order, of the k-th observation.
  DimFit(DimTable dims, std::vector<std::vector<int64_t>> samples);

  // The simplest expression that gives values[k] at samples[k] for every k: a constant, a known expression e, a*e + b, a sum of multiples
  // of the symbols, a floor division (e + c) // d + b. nullopt if none does.
  std::optional<Dim> integer(const std::vector<int64_t>& values);
  // The same for numbers computed in floating point, to the bit: factor * e, factor / e, e / factor.
  std::optional<FloatFit> floating(const std::vector<double>& values) const;

  void remember(Dim, const std::vector<int64_t>& values);  // an expression to try in later fits
  DimTable& dims() { return dims_; }
  const DimTable& dims() const { return dims_; }

 private:
  struct Known {
    Dim dim;
    std::vector<int64_t> values;
  };
  std::optional<Dim> multiple(const Known&, const std::vector<int64_t>& values);
  std::optional<Dim> linear(const std::vector<int64_t>& values);
  std::optional<Dim> quotient(const Known&, const std::vector<int64_t>& values);

  DimTable dims_;
  std::vector<std::vector<int64_t>> samples_;
  std::vector<Known> known_;
};

}  // namespace kiln::tracer
