// A list that is mostly short: its first N items are in place, and making it allocates nothing.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace kiln {

// T: default-constructible, cheaply.
template <class T, size_t N>
class Few {
 public:
  Few() = default;
  explicit Few(size_t size) { resize(size); }
  Few(const Few&) = delete;

  size_t size() const { return size_; }
  T* data() { return more_.empty() ? in_place_.data() : more_.data(); }
  T& operator[](size_t i) { return data()[i]; }
  T* begin() { return data(); }
  T* end() { return data() + size_; }
  T& back() { return data()[size_ - 1]; }
  operator std::span<T>() { return {data(), size_}; }  // NOLINT: it is one

  void resize(size_t size) {
    if (size > N) {
      if (more_.empty()) more_.assign(std::make_move_iterator(in_place_.begin()), std::make_move_iterator(in_place_.end()));
      more_.resize(size);
    }
    if (size > size_ && size <= N)
      std::fill(in_place_.begin() + static_cast<std::ptrdiff_t>(size_), in_place_.begin() + static_cast<std::ptrdiff_t>(size), T());
    size_ = size;
  }
  void push_back(T value) {
    resize(size_ + 1);
    back() = std::move(value);
  }

 private:
  size_t size_ = 0;
  std::array<T, N> in_place_;  // of numbers and pointers: made when they are wanted
  std::vector<T> more_;
};

}  // namespace kiln
