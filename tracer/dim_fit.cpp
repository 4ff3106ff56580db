#include "tracer/dim_fit.h"

#include <algorithm>
#include <cmath>

namespace kiln::tracer {
namespace {

constexpr size_t kMaxKnown = 256;
constexpr int64_t kMaxDivisor = 16;  // of floor divisions: strides of windows

bool all_equal(const std::vector<int64_t>& v) { return std::adjacent_find(v.begin(), v.end(), std::not_equal_to<>()) == v.end(); }

// Solves m x = v exactly by elimination in rationals kept as doubles; samples are small, and the caller checks the result.
std::optional<std::vector<int64_t>> solve(std::vector<std::vector<double>> m, std::vector<double> v) {
  const size_t unknowns = m[0].size();
  size_t row = 0;
  for (size_t column = 0; column < unknowns; ++column) {
    size_t pivot = row;
    for (size_t r = row; r < m.size(); ++r)
      if (std::abs(m[r][column]) > std::abs(m[pivot][column])) pivot = r;
    if (row == m.size() || std::abs(m[pivot][column]) < 1e-9) return std::nullopt;
    std::swap(m[row], m[pivot]);
    std::swap(v[row], v[pivot]);
    for (size_t r = 0; r < m.size(); ++r) {
      if (r == row) continue;
      const double f = m[r][column] / m[row][column];
      for (size_t c = column; c < unknowns; ++c) m[r][c] -= f * m[row][c];
      v[r] -= f * v[row];
    }
    ++row;
  }
  std::vector<int64_t> x;
  for (size_t i = 0; i < unknowns; ++i) x.push_back(std::llround(v[i] / m[i][i]));
  return x;
}

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b != 0 && a < 0 ? 1 : 0); }

}  // namespace

DimFit::DimFit(DimTable dims, std::vector<std::vector<int64_t>> samples) : dims_(std::move(dims)), samples_(std::move(samples)) {
  const std::vector<std::string> names = dims_.symbols();
  for (size_t s = 0; s < names.size(); ++s) {
    std::vector<int64_t> values;
    for (const auto& sample : samples_) values.push_back(sample[s]);
    known_.push_back({dims_.symbol(names[s]), std::move(values)});
  }
  const size_t symbols = known_.size();
  for (size_t a = 0; a < symbols; ++a) {
    for (size_t b = a; b < symbols; ++b) {
      std::vector<int64_t> values;
      for (size_t k = 0; k < samples_.size(); ++k) values.push_back(known_[a].values[k] * known_[b].values[k]);
      known_.push_back({dims_.mul(known_[a].dim, known_[b].dim), std::move(values)});
    }
  }
}

void DimFit::remember(Dim d, const std::vector<int64_t>& values) {
  if (d.is_constant() || known_.size() >= kMaxKnown) return;
  if (std::none_of(known_.begin(), known_.end(), [&](const Known& k) { return k.dim == d; })) known_.push_back({d, values});
}

// a*e + b.
std::optional<Dim> DimFit::multiple(const Known& e, const std::vector<int64_t>& values) {
  size_t other = 1;
  while (other < values.size() && e.values[other] == e.values[0]) ++other;
  if (other == values.size()) return std::nullopt;
  const int64_t rise = values[other] - values[0], run = e.values[other] - e.values[0];
  if (rise % run != 0) return std::nullopt;
  const int64_t a = rise / run, b = values[0] - a * e.values[0];
  for (size_t k = 0; k < values.size(); ++k)
    if (a * e.values[k] + b != values[k]) return std::nullopt;
  return dims_.add(dims_.mul(e.dim, a), b);
}

// A sum of multiples of the symbols and a constant.
std::optional<Dim> DimFit::linear(const std::vector<int64_t>& values) {
  const size_t symbols = samples_[0].size();
  if (samples_.size() < symbols + 2) return std::nullopt;
  std::vector<std::vector<double>> m;
  for (const auto& sample : samples_) {
    m.emplace_back(sample.begin(), sample.end());
    m.back().push_back(1);
  }
  const auto x = solve(m, {values.begin(), values.end()});
  if (!x) return std::nullopt;
  for (size_t k = 0; k < values.size(); ++k) {
    int64_t sum = x->back();
    for (size_t s = 0; s < symbols; ++s) sum += (*x)[s] * samples_[k][s];
    if (sum != values[k]) return std::nullopt;
  }
  Dim d = 0;
  for (size_t s = 0; s < symbols; ++s) d = dims_.add(d, dims_.mul(known_[s].dim, (*x)[s]));
  return dims_.add(d, x->back());
}

// (e + c) // d + b, 0 <= c < d.
std::optional<Dim> DimFit::quotient(const Known& e, const std::vector<int64_t>& values) {
  for (int64_t d = 2; d <= kMaxDivisor; ++d) {
    for (int64_t c = 0; c < d; ++c) {
      const int64_t b = values[0] - floor_div(e.values[0] + c, d);
      bool fits = true;
      for (size_t k = 0; fits && k < values.size(); ++k) fits = floor_div(e.values[k] + c, d) + b == values[k];
      if (fits) return dims_.add(dims_.floor_div(dims_.add(e.dim, c), d), b);
    }
  }
  return std::nullopt;
}

std::optional<Dim> DimFit::integer(const std::vector<int64_t>& values) {
  if (all_equal(values)) return Dim(values[0]);
  for (const Known& e : known_)
    if (e.values == values) return e.dim;
  for (size_t i = 0; i < known_.size(); ++i)
    if (auto d = multiple(known_[i], values)) return d;
  if (auto d = linear(values)) return d;
  for (size_t i = 0; i < known_.size(); ++i)
    if (auto d = quotient(known_[i], values)) return d;
  return std::nullopt;
}

std::optional<FloatFit> DimFit::floating(const std::vector<double>& values) const {
  for (const Known& e : known_) {
    const auto all = [&](auto give) {
      for (size_t k = 0; k < values.size(); ++k)
        if (give(static_cast<double>(e.values[k])) != values[k]) return false;
      return true;
    };
    const auto first = static_cast<double>(e.values[0]);
    // The factor is known to a rounding only: what the quotient gives, or the round number beside it.
    for (const double guess : {values[0] * first, std::round(values[0] * first)})
      if (all([guess](double v) { return guess / v; })) return FloatFit{ScalarForm::quotient, guess, e.dim};
    for (const double guess : {values[0] / first, std::round(values[0] / first)})
      if (all([guess](double v) { return guess * v; })) return FloatFit{ScalarForm::product, guess, e.dim};
    for (const double guess : {first / values[0], std::round(first / values[0])})
      if (all([guess](double v) { return v / guess; })) return FloatFit{ScalarForm::ratio, guess, e.dim};
  }
  return std::nullopt;
}

}  // namespace kiln::tracer
