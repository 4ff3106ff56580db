// Random graphs for tests of fusion, order and memory.
#pragma once

#include <algorithm>
#include <array>
#include <random>
#include <string>
#include <vector>

namespace kiln::jit::test {

// Matrices and columns of them: pointwise operators, masks, reductions of rows, products of matrices, and what reads a matrix transposed or from a
// row on. What nobody reads is a result.
class GraphGenerator {
 public:
  explicit GraphGenerator(std::mt19937& random, std::array<int, 3> extents = {256, 512, 1024}) : random_(random), extents_(extents) {}

  std::string graph(int operators) {
    for (int i = 0; i < 2; ++i) define(extents_[pick(3)], extents_[pick(2)], "input storage " + std::to_string(i));
    while (operators > 0) operators -= operation();
    std::string results;
    uint32_t storages = 2;
    for (size_t v = 0; v < all_.size(); ++v)
      if (!all_[v].read) results += "  storage " + std::to_string(storages++) + " <- " + name(v) + "\n";
    return "graph storages " + std::to_string(storages) + " scalars 0\n" + body_ + results;
  }

 private:
  struct Array {
    int rows, columns;
    bool mask = false, read = false;
  };

  size_t pick(size_t n) { return random_() % n; }
  size_t recent() { return all_.size() - 1 - std::min(pick(all_.size()), pick(all_.size())); }
  static std::string name(size_t v) { return "%" + std::to_string(v); }
  void define(int rows, int columns, const std::string& what, bool mask = false) {
    body_ +=
        "  " + name(all_.size()) + (mask ? ": bool[" : ": f32[") + std::to_string(rows) + ", " + std::to_string(columns) + "] = " + what;
    body_ += "\n";
    all_.push_back({rows, columns, mask});
  }
  std::string read(size_t v) {
    all_[v].read = true;
    return name(v);
  }

  // Returns whether there is one over what was picked.
  bool operation() {
    const size_t a = recent(), b = recent(), m = recent();
    const auto [rows, columns, mask, unused] = all_[a];
    const bool alike = !mask && !all_[b].mask && all_[b].rows == rows && (all_[b].columns == columns || all_[b].columns == 1) && a != b;
    switch (pick(8)) {
      case 0:
        if (!mask) define(rows, columns, (pick(2) ? "exp(" : "sin(") + read(a) + ")");
        return !mask;
      case 1:
      case 2:
        if (alike) define(rows, columns, (pick(2) ? "add(" : "multiply(") + read(a) + ", " + read(b) + ")");
        return alike;
      case 3:
        if (alike) define(rows, columns, "greater(" + read(a) + ", " + read(b) + ")", true);
        return alike;
      case 4:
        if (!alike || !all_[m].mask || all_[m].rows != rows || all_[m].columns != columns) return false;
        define(rows, columns, "where(" + read(m) + ", " + read(a) + ", " + read(b) + ")");
        return true;
      case 5:
        if (columns == 1 || mask) return false;
        if (pick(2)) define(rows, 1, "max(" + read(a) + ") {axis=(1,), keepdims=true}");
        else define(rows, 1, "sum(" + read(a) + ") {axis=(1,), keepdims=true, dtype=none}");
        return true;
      case 6:
        if (columns == 1 || mask) return false;
        if (pick(2)) define(columns, rows, "view(" + read(a) + ") offset 0 " + window(columns, rows, 1, columns));
        else
          define(rows / 2, columns,
                 "view(" + read(a) + ") offset " + std::to_string(rows / 2 * columns) + window(rows / 2, columns, columns, 1));
        define(all_.back().rows, all_.back().columns, "exp(" + read(all_.size() - 1) + ")");
        return true;
      default:
        if (columns == 1 || mask || all_[b].mask || all_[b].columns != columns) return false;
        define(rows, all_[b].rows, "linear(" + read(a) + ", " + read(b) + ", none)");
        return true;
    }
  }
  static std::string window(int rows, int columns, int down, int along) {
    return " shape (" + std::to_string(rows) + ", " + std::to_string(columns) + ") strides (" + std::to_string(down) + ", " +
           std::to_string(along) + ")";
  }

  std::mt19937& random_;
  const std::array<int, 3> extents_;
  std::vector<Array> all_;
  std::string body_;
};

}  // namespace kiln::jit::test
