// Reductions in the canonical order of kernel.h.
#include <algorithm>
#include <array>
#include <functional>
#include <span>

#include "codegen/llvm/emitter.h"

namespace kiln::codegen::llvm_ir {
namespace {

constexpr int64_t kTreeLevels = 48;    // of 64 rows or more each, or single elements: more than can be looped over
constexpr size_t kFewLaneVectors = 4;  // more would be spilled by a heavy body

}  // namespace

// ---- The three kinds of pass ----

void Emitter::reduce_rows(const Schedule::Pass& pass) {
  const int copies = strip_.copies, width = strip_.width;
  const Folds all = folds(pass);
  const auto over = [&](Value* begin, Value* end, Values& results) {
    ir_.loop(begin, end, 1, results, [&](Value* r) {
      reduced_index_ = r;
      open_cells();
      combine_strip(pass, all, results);
    });
  };
  Values results;
  if (all.empty()) return over(number(0), reduced_extent_, results);
  Value* count = ir_.ceil_divide(reduced_extent_, kRowBlock);
  ir_.loop(number(0), count, 1, [&](Value* block) {
    Value* begin = ir_.mul(block, number(kRowBlock));
    results = identities(all, copies, width);
    over(begin, ir_.minimum(ir_.add(begin, number(kRowBlock)), reduced_extent_), results);
    push(all, results, block, copies, width);
  });
  results = finish(all, count, copies, width);
  for (size_t i = 0; i < results.size(); ++i)
    column_.values[i % static_cast<size_t>(copies)][all[i / static_cast<size_t>(copies)].id] = results[i];
}

void Emitter::reduce_lanes(const Schedule::Pass& pass) {
  const Folds all = folds(pass);
  Value* count = ir_.ceil_divide(reduced_extent_, kLaneBlock);
  ir_.loop(number(0), count, 1, [&](Value* block) {
    Value* begin = ir_.mul(block, number(kLaneBlock));
    push(all, lane_block(pass, all, begin, ir_.minimum(ir_.add(begin, number(kLaneBlock)), reduced_extent_)), block, 1, 1);
  });
  const Values results = finish(all, count, 1, 1);
  for (size_t f = 0; f < all.size(); ++f) row_.values[0][all[f].id] = results[f];
}

void Emitter::reduce_tree(const Schedule::Pass& pass) {
  const Folds all = folds(pass);
  ir_.loop(number(0), reduced_extent_, 1, [&](Value* i) {
    open_strip({.first = i});
    Values elements;
    for (const Fold& f : all) elements.push_back(value(kernel_.nodes[f.id].operands[0], 0));
    store_all(pass.stores_loop);
    push(all, elements, i, 1, 1);
  });
  const Values results = finish(all, reduced_extent_, 1, 1);
  for (size_t f = 0; f < all.size(); ++f) row_.values[0][all[f].id] = results[f];
}

// The strip's elements into what has been reduced so far, and the pass's stores of them.
void Emitter::combine_strip(const Schedule::Pass& pass, const Folds& all, Values& results) {
  size_t at = 0;
  for (const Fold& f : all)
    for (int c = 0; c < strip_.copies; ++c, ++at) results[at] = combine(f, results[at], value(kernel_.nodes[f.id].operands[0], c));
  store_all(pass.stores_loop);
}

// ---- Lanes ----

// The results of one block. While a light body has all 32 lanes before it they stay in registers, as they do where they are few vectors that take
// turns; else, in a block's last few vectors and in a heavy body, which is emitted once rather than for each vector of lanes, they lie in memory.
Values Emitter::lane_block(const Schedule::Pass& pass, const Folds& all, Value* begin, Value* end) {
  const auto copies = static_cast<size_t>(kLanes / width_);
  Values lanes = identities(all, kLanes / width_, width_);
  const auto operations =
      std::count_if(pass.loop.begin(), pass.loop.end(), [&](NodeId id) { return kernel_.nodes[id].kind == NodeKind::primitive; });
  const bool light = operations <= kLightBody;
  const bool in_turn = masks_tail_ && copies * all.size() <= kFewLaneVectors;
  if (light) {
    begin = ir_.loop(begin, end, kLanes, lanes, [&](Value* i) {
      open_strip({.width = width_, .copies = kLanes / width_, .first = i});
      combine_strip(pass, all, lanes);
    });
  } else if (in_turn) {
    begin = ir_.loop(begin, end, width_, lanes, [&](Value* i) { next_lanes(pass, all, {.width = width_, .first = i}, lanes); });
  }
  const auto rest = [&] {
    if (in_turn) masked_strips(begin, end, lanes, [&](const Strip& strip) { next_lanes(pass, all, strip, lanes); });
    else rest_in_memory(pass, all, lanes, begin, end, !light);
  };
  if (light || in_turn) ir_.when(ir_.less(begin, end), lanes, rest);
  else rest();
  Values results;
  for (size_t f = 0; f < all.size(); ++f) results.push_back(halve(all[f], Values(&lanes[f * copies], &lanes[f * copies] + copies)));
  return results;
}

// The strip into the first vector of lanes, which then is the last one: halve() gives the same with whichever it begins.
void Emitter::next_lanes(const Schedule::Pass& pass, const Folds& all, const Strip& strip, Values& lanes) {
  open_strip(strip);
  const auto copies = static_cast<size_t>(kLanes / width_);
  Values before;
  for (size_t f = 0; f < all.size(); ++f) before.push_back(lanes[f * copies]);
  Values after = before;
  combine_strip(pass, all, after);
  for (size_t f = 0; f < all.size(); ++f) {
    const auto own = std::span(lanes).subspan(f * copies, copies);
    own[0] = strip.mask ? ir_.select(strip.mask, after[f], before[f]) : after[f];
    std::rotate(own.begin(), own.begin() + 1, own.end());
  }
}

// From where all 32 lanes, or a block, begin.
void Emitter::rest_in_memory(const Schedule::Pass& pass, const Folds& all, Values& lanes, Value* begin, Value* end, bool heavy) {
  write_lanes(all, lanes);
  Value* at = begin;
  if (heavy || !masks_tail_)
    at = ir_.loop(begin, end, width_, [&](Value* i) { lanes_in_memory(pass, all, {.width = width_, .first = i}, begin); });
  if (masks_tail_) {
    Values none;
    masked_strips(at, end, none, [&](const Strip& strip) { lanes_in_memory(pass, all, strip, begin); });
  } else {
    ir_.loop(at, end, 1, [&](Value* i) { lanes_in_memory(pass, all, {.first = i}, begin); });
  }
  read_lanes(all, lanes);
}

// Strips of a vector each over [at, end); the last may be short.
void Emitter::masked_strips(Value* at, Value* end, Values& carried, const std::function<void(const Strip&)>& body) {
  ir_.loop(at, ir_.add(end, number(width_ - 1)), width_, carried,
           [&](Value* i) { body({.width = width_, .first = i, .mask = first_lanes(b(), ir_.sub(end, i), width_)}); });
}

// One strip of a single vector or element.
void Emitter::lanes_in_memory(const Schedule::Pass& pass, const Folds& all, const Strip& strip, Value* begin) {
  open_strip(strip);
  Value* lane = ir_.bit_and(ir_.sub(strip.first, begin), number(kLanes - 1));
  Values before;
  for (const Fold& f : all) before.push_back(read(b(), f.dtype, strip.width, lane_address(f, lane)));
  Values after = before;
  combine_strip(pass, all, after);
  for (size_t f = 0; f < all.size(); ++f) {
    if (strip.mask) after[f] = ir_.select(strip.mask, after[f], before[f]);
    write(b(), all[f].dtype, after[f], lane_address(all[f], lane));
  }
}

void Emitter::write_lanes(const Folds& all, const Values& lanes) {
  const int copies = kLanes / width_;
  size_t at = 0;
  for (const Fold& f : all)
    for (int c = 0; c < copies; ++c) write(b(), f.dtype, lanes[at++], lane_address(f, number(c * width_)));
}

void Emitter::read_lanes(const Folds& all, Values& lanes) {
  const int copies = kLanes / width_;
  size_t at = 0;
  for (const Fold& f : all)
    for (int c = 0; c < copies; ++c) lanes[at++] = read(b(), f.dtype, width_, lane_address(f, number(c * width_)));
}

// Lane j with lane j + h, for h in 16 8 4 2 1: first whole vectors, then their halves.
Value* Emitter::halve(const Fold& fold, Values lanes) {
  for (size_t n = lanes.size() / 2; n >= 1; n /= 2)
    for (size_t j = 0; j < n; ++j) lanes[j] = combine(fold, lanes[j], lanes[j + n]);
  Value* v = lanes[0];
  for (int h = width_ / 2; h >= 1; h /= 2) v = combine(fold, ir_.lower_half(v), ir_.upper_half(v));
  return ir_.lane(v, 0);
}

// ---- Folds and the tree ----

// Loops over strips follow one another, so those of all widths share the areas of their node.
Folds Emitter::folds(const Schedule::Pass& pass) {
  const int64_t results = kernel_.reduction == Reduction::rows ? int64_t{copies_} * width_ : 1;
  Folds all;
  for (NodeId id : pass.reduces) {
    const Node& n = kernel_.nodes[id];
    if (!trees_[id]) trees_[id] = ir_.local(kTreeLevels * results * size_of(n.dtype));
    if (!lanes_[id] && kernel_.reduction == Reduction::lanes) lanes_[id] = ir_.local(kLanes * size_of(n.dtype));
    all.push_back({.id = id, .combine = n.prim, .dtype = n.dtype, .tree = trees_[id], .lanes = lanes_[id]});
  }
  return all;
}

Values Emitter::identities(const Folds& all, int copies, int width) {
  Values values;
  for (const Fold& f : all)
    values.insert(values.end(), static_cast<size_t>(copies), constant(b(), f.dtype, identity_bits(f.combine, f.dtype), width));
  return values;
}

Value* Emitter::combine(const Fold& fold, Value* x, Value* y) {
  return primitive(b(), fold.combine, fold.dtype, fold.dtype, std::array{x, y});
}

Value* Emitter::lane_address(const Fold& fold, Value* lane) { return ir_.at(fold.lanes, ir_.mul(lane, number(size_of(fold.dtype)))); }

Value* Emitter::tree_address(const Fold& fold, Value* level, int copy, int copies, int width) {
  const int64_t bytes = static_cast<int64_t>(width) * size_of(fold.dtype);
  return ir_.at(ir_.at(fold.tree, ir_.mul(level, number(copies * bytes))), number(copy * bytes));
}

// TREE as a binary counter: after `index` pushes its set bits are the pieces held, the largest first, and one more element merges with as
// many pieces as the index has trailing ones.
void Emitter::push(const Folds& all, Values results, Value* index, int copies, int width) {
  Value* held = ir_.count_ones(index);
  Value* merges = ir_.count_trailing_ones(index);
  ir_.loop(number(0), merges, 1, results, [&](Value* i) {
    Value* top = ir_.sub(held, ir_.add(i, number(1)));
    size_t at = 0;
    for (const Fold& f : all)
      for (int c = 0; c < copies; ++c, ++at)
        results[at] = combine(f, read(b(), f.dtype, width, tree_address(f, top, c, copies, width)), results[at]);
  });
  Value* level = ir_.sub(held, merges);
  size_t at = 0;
  for (const Fold& f : all)
    for (int c = 0; c < copies; ++c) write(b(), f.dtype, results[at++], tree_address(f, level, c, copies, width));
}

// The pieces held after `count` pushes, folded from the right; combine(x, identity) is x.
Values Emitter::finish(const Folds& all, Value* count, int copies, int width) {
  Values results = identities(all, copies, width);
  Value* held = ir_.count_ones(count);
  ir_.loop(number(0), held, 1, results, [&](Value* i) {
    Value* top = ir_.sub(held, ir_.add(i, number(1)));
    size_t at = 0;
    for (const Fold& f : all)
      for (int c = 0; c < copies; ++c, ++at)
        results[at] = combine(f, read(b(), f.dtype, width, tree_address(f, top, c, copies, width)), results[at]);
  });
  return results;
}

}  // namespace kiln::codegen::llvm_ir
