#include "codegen/interpreter/fold.h"

#include <algorithm>
#include <cstring>

namespace kiln::codegen::interpreter {

void Tree::begin(Apply combine, int size, int64_t width) {
  combine_ = combine;
  width_ = width;
  stride_ = static_cast<size_t>(width * size);
  depth_ = 0;
  count_ = 0;
}

void Tree::push(const void* values) {
  if (partials_.size() < (depth_ + 1) * stride_) partials_.resize((depth_ + 1) * stride_);
  std::memcpy(level(depth_++), values, stride_);
  for (uint64_t n = ++count_; n % 2 == 0; n /= 2) merge_top();
}

void Tree::merge_top() {
  --depth_;
  combine_(level(depth_ - 1), level(depth_ - 1), level(depth_), nullptr, width_);
}

const void* Tree::result() {
  while (depth_ > 1) merge_top();
  return level(0);
}

void Fold::begin(const Node& node, Reduction kind, int64_t width) {
  combine_ = apply_of(node.prim, node.dtype, node.dtype);
  kind_ = kind;
  size_ = size_of(node.dtype);
  identity_ = identity_bits(node.prim, node.dtype);
  width_ = width;
  block_.resize(static_cast<size_t>(std::max<int64_t>(width, kLanes) * size_));
  fill_identity();
  tree_.begin(combine_, size_, width);
}

void Fold::fill_identity() {
  for (size_t at = 0; at < block_.size(); at += static_cast<size_t>(size_))
    std::memcpy(&block_[at], &identity_, static_cast<size_t>(size_));
  taken_ = 0;
}

void Fold::take(const void* values, int64_t n) {
  const std::byte* at = static_cast<const std::byte*>(values);
  switch (kind_) {
    case Reduction::none: return;
    case Reduction::lanes:
      for (int64_t i = 0; i < n; i += kLanes)
        combine_(block_.data(), block_.data(), at + i * size_, nullptr, std::min<int64_t>(kLanes, n - i));
      taken_ += n;
      if (taken_ == kLaneBlock) close_block();
      return;
    case Reduction::rows:
      combine_(block_.data(), block_.data(), at, nullptr, n);
      if (++taken_ == kRowBlock) close_block();
      return;
    case Reduction::tree:
      for (int64_t i = 0; i < n; ++i) tree_.push(at + i * size_);
      return;
  }
}

void Fold::close_block() {
  if (kind_ == Reduction::lanes)
    for (int h = kLanes / 2; h >= 1; h /= 2) combine_(block_.data(), block_.data(), block_.data() + h * size_, nullptr, h);
  tree_.push(block_.data());
  fill_identity();
}

const void* Fold::end() {
  if (taken_ > 0) close_block();
  return tree_.empty() ? block_.data() : tree_.result();
}

}  // namespace kiln::codegen::interpreter
