// A short list of 64-bit integers kept in place: shapes, strides, axes. At most kMaxRank long.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>

#include "codegen/error.h"

namespace kiln::eager {

inline constexpr int kMaxRank = 8;

class Dims {
 public:
  Dims() = default;
  Dims(std::initializer_list<int64_t> values) {
    for (int64_t v : values) push_back(v);
  }
  template <class It>
  Dims(It first, It last) {
    for (; first != last; ++first) push_back(*first);
  }
  // What is there, one by one: copies of all that could be there wait for the stores before them (a load of more bytes than one of them wrote).
  Dims(const Dims& o) : size_(o.size_) { take(o); }
  Dims& operator=(const Dims& o) {
    size_ = o.size_;
    take(o);
    return *this;
  }
  static Dims filled(int n, int64_t value) {
    Dims d;
    for (int i = 0; i < n; ++i) d.push_back(value);
    return d;
  }

  int size() const { return size_; }
  bool empty() const { return size_ == 0; }
  int64_t& operator[](int i) { return values_[i]; }
  int64_t operator[](int i) const { return values_[i]; }
  int64_t back() const { return values_[size_ - 1]; }
  const int64_t* begin() const { return values_.data(); }
  const int64_t* end() const { return values_.data() + size_; }
  int64_t* begin() { return values_.data(); }
  int64_t* end() { return values_.data() + size_; }
  void push_back(int64_t v) {
    if (size_ == kMaxRank) fail(ErrorCode::value, "a tensor has at most " + std::to_string(kMaxRank) + " dimensions");
    values_[size_++] = v;
  }
  void insert(int at, int64_t v) {
    push_back(v);
    std::rotate(begin() + at, end() - 1, end());
  }
  void erase(int at) {
    std::copy(begin() + at + 1, end(), begin() + at);
    --size_;
  }
  bool contains(int64_t v) const { return std::find(begin(), end(), v) != end(); }
  bool operator==(const Dims& o) const {
    if (size_ != o.size_) return false;
    for (int i = 0; i < kMaxRank && i < size_; ++i)
      if (values_[i] != o.values_[i]) return false;
    return true;
  }

 private:
  void take(const Dims& o) {
    for (int i = 0; i < kMaxRank; ++i) {
      if (i == o.size_) return;
      values_[i] = o.values_[i];
    }
  }
  std::array<int64_t, kMaxRank> values_;
  uint8_t size_ = 0;
};

inline int64_t product(const Dims& d) {
  uint64_t n = 1;  // unsigned: extents too large to multiply may come before a zero
  for (int64_t v : d) n *= static_cast<uint64_t>(v);
  return static_cast<int64_t>(n);
}

std::string to_string(const Dims&);            // "(2, 3)", "(4,)", "()": as Python writes a tuple
Dims contiguous_strides(const Dims& shape);    // row-major, in elements
Dims broadcast(const Dims& a, const Dims& b);  // throws Error{value} naming both shapes
bool broadcastable_to(const Dims& from, const Dims& to);
[[noreturn]] void out_of_bounds(int64_t index, int axis, int64_t extent);  // throws Error{index}
int normalize_axis(int64_t axis, int rank, const char* what = "axis");     // negative counts from the end; throws Error{index}

}  // namespace kiln::eager
