// Segments compute what eager mode computes, to the bit, whatever is captured.
#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "codegen/allocator.h"
#include "eager/dispatch.h"
#include "eager/generator.h"
#include "eager/tape.h"
#include "tracer/recorder.h"

namespace kiln {
namespace {

using eager::Dims;
using eager::Op;
using eager::Ref;
using eager::Tensor;
using eager::Tensors;

const Op add{"add"}, mul{"multiply"}, relu{"relu"}, sum{"sum"}, exp_{"exp"}, sub{"subtract"}, div_{"divide"}, max_{"max"}, matmul{"matmul"},
    conv2d{"conv2d"}, max_pool2d{"max_pool2d"}, linear{"linear"}, cross_entropy{"cross_entropy"}, reshape{"reshape"},
    log_softmax{"log_softmax"}, flip{"flip"}, slice{"slice"}, copy_{"copy"}, astype{"astype"}, take{"take"},
    take_along_axis{"take_along_axis"}, argsort{"argsort"}, swapaxes{"swapaxes"};

Tensor filled(const Dims& shape, float start, float step) {
  Tensor t = Tensor::empty(shape, DType::F32);
  auto* p = reinterpret_cast<float*>(t.data());
  for (int64_t i = 0; i < t.numel(); ++i) p[i] = start + step * static_cast<float>((i * 7919) % 1009);
  return t;
}

std::vector<std::byte> bytes(const Tensor& t) {
  const std::byte* p = t.data();
  return {p, p + t.numel() * size_of(t.dtype())};
}

// f eagerly and as a segment, from the same state.
void expect_same(const std::function<Tensors()>& f, size_t programs = 1) {
  const Tensors eager = f();
  auto record = std::make_shared<tracer::FunctionRecord>("f");
  for (int round = 0; round < 2; ++round) {
    tracer::SegmentScope scope(record);
    Tensors deferred = f();
    scope.end(eager::FlushReason::function_end);
    ASSERT_EQ(eager.size(), deferred.size());
    for (size_t i = 0; i < eager.size(); ++i) {
      ASSERT_EQ(eager[i].shape(), deferred[i].shape());
      EXPECT_EQ(bytes(eager[i]), bytes(deferred[i])) << "result " << i << "\n" << record->traces()[0].program->text("graph");
    }
  }
  std::string ends;
  for (const auto& t : record->traces())
    for (const auto& f : t.flushes)
      ends += std::string(eager::describe(f.reason)) + " x" + std::to_string(f.count) + "\n" + t.program->text("trace");
  EXPECT_EQ(record->traces().size(), programs) << ends;
}

TEST(Segment, PointwiseChainIsOneKernel) {
  const Tensor a = filled({37, 65}, -3, 0.01f), b = filled({65}, 1, 0.02f);
  expect_same([&] { return Tensors{relu(add(mul(a, b), 0.5))}; });
  auto record = std::make_shared<tracer::FunctionRecord>("f");
  tracer::SegmentScope scope(record);
  const Tensor y = relu(add(mul(a, b), 0.5));
  scope.end(eager::FlushReason::function_end);
  EXPECT_EQ(record->traces().at(0).program->info().kernels, 1u);
}

// Most tensors of a segment are laid out as the one before, and then take no words of its key; the key still tells all layouts apart.
TEST(Segment, LayoutsThatAlternateAreToldApart) {
  const Tensor plain = filled({6, 6}, -3, 0.25f), row = filled({1, 6}, 2, 0.5f), all = filled({12, 6}, 1, 0.125f), one = filled({}, 3, 0);
  const Tensors layouts{plain,
                        Tensor::view(Ref(&plain.storage()), 0, {6, 6}, {1, 6}, DType::F32),
                        Tensor::view(Ref(&all.storage()), 36, {6, 6}, {6, 1}, DType::F32),
                        Tensor::view(Ref(&all.storage()), 0, {6, 6}, {12, 1}, DType::F32),
                        row,
                        one};
  for (const Tensor& x : layouts)
    for (const Tensor& y : layouts)
      for (const Tensor& z : layouts)
        expect_same([&] {
          const Tensor product = mul(x, y);
          return Tensors{add(product, z), sub(z, product), relu(z)};
        });
}

// What is alive at the end is part of the key, whichever call ran last.
TEST(Segment, CallsThatKeepOtherResultsAreOtherPrograms) {
  const Tensor x = filled({40}, -3, 0.25f), y = filled({40}, 2, 0.5f);
  const Tensor product = mul(x, y), total = add(product, x);
  auto record = std::make_shared<tracer::FunctionRecord>("f");
  for (const bool keep : {false, true, true, false, false, true}) {
    Tensor kept, result;
    tracer::SegmentScope scope(record);
    {
      const Tensor within = mul(x, y);
      result = add(within, x);
      if (keep) kept = within;
    }
    scope.end(eager::FlushReason::function_end);
    EXPECT_EQ(bytes(result), bytes(total));
    if (keep) EXPECT_EQ(bytes(kept), bytes(product));
  }
  EXPECT_EQ(record->traces().size(), 2u);
}

TEST(Segment, SoftmaxIsOneKernel) {
  const Tensor x = filled({19, 130}, -3, 0.01f);
  const auto f = [&] {
    const Tensor e = exp_(sub(x, max_(x, int64_t{1}, true)));
    return Tensors{div_(e, sum(e, int64_t{1}, true))};
  };
  expect_same(f);
  auto record = std::make_shared<tracer::FunctionRecord>("f");
  tracer::SegmentScope scope(record);
  const Tensors y = f();
  scope.end(eager::FlushReason::function_end);
  EXPECT_EQ(record->traces().at(0).program->info().kernels, 1u) << record->traces()[0].program->text("graph");
}

TEST(Segment, InPlaceWritesAndViews) {
  const auto f = [&] {
    Tensor x = filled({6, 8}, 0, 1);
    const Tensor top = Tensor::view(x.impl()->storage, 0, {3, 8}, {8, 1}, DType::F32);
    const Tensor bottom = Tensor::view(x.impl()->storage, 24, {3, 8}, {8, 1}, DType::F32);
    eager::write(top, mul(bottom, 2.0));  // a window of a leaf
    eager::call_in_place(add.definition(), std::vector<eager::Operand>{x, top.numel() > 0 ? eager::Operand(3.0) : eager::Operand(1.0)}, {},
                         x);
    const Tensor y = add(x, x);
    eager::write(bottom, top);  // overlapping storage, other window
    Tensor z = mul(y, 2.0);
    eager::write(Tensor::view(z.impl()->storage, 8, {5, 8}, {8, 1}, DType::F32),
                 Tensor::view(z.impl()->storage, 0, {5, 8}, {8, 1}, DType::F32));
    return Tensors{x, y, z};
  };
  expect_same(f);
}

// The old content is read by the very kernel that writes over it, after another write.
TEST(Segment, TwoWritesOverWhatIsStillRead) {
  const auto f = [&] {
    Tensor x = filled({3, 8}, 0, 1);
    const Tensor backwards = Tensor::view(x.impl()->storage, 23, {3, 8}, {-8, -1}, DType::F32);
    const Tensor y = mul(backwards, 2.0);
    eager::write(backwards, x);
    eager::write(backwards, y);
    return Tensors{x};
  };
  expect_same(f);
}

// A row's result written where another operand of the same kernel lies.
TEST(Segment, AWriteOfARowsResult) {
  const auto f = [&] {
    Tensor x = filled({2, 3}, 0, 1);
    const Tensor rows = filled({2, 5, 3}, -2, 0.01f);
    eager::write(x, add(sum(mul(rows, reshape(x, Dims{2, 1, 3})), int64_t{1}), x));
    return Tensors{x};
  };
  expect_same(f);
}

TEST(Segment, SwapThroughWrites) {
  const auto f = [&] {
    Tensor a = filled({40}, 0, 1), b = filled({40}, 5, 2);
    const Tensor t = mul(a, 1.0);
    eager::write(a, b);
    eager::write(b, t);
    return Tensors{a, b};
  };
  expect_same(f);
}

TEST(Segment, WholeWritesOfATensorsOwnViews) {
  expect_same([] {  // more elements than a vector holds: each is read before any is written over
    Tensor x = filled({70, 3}, 0, 1);
    eager::write(x, flip(x));
    const Tensor top = slice(x, Dims{0}, Dims{69}), bottom = slice(x, Dims{1}, Dims{70});
    eager::write(bottom, add(top, bottom));
    return Tensors{x};
  });
}

TEST(Segment, ARowsResultWrittenAllAlongTheRow) {
  expect_same([] {
    Tensor x = filled({9, 40}, 0, 1);
    eager::write(x, max_(x, int64_t{1}, true));
    const Tensor y = filled({40}, 3, 1);
    eager::write(y, slice(y, Dims{0}, Dims{1}));
    return Tensors{x, sum(y, int64_t{0}, false)};
  });
}

TEST(Segment, ViewsOfReductionsOverScatteredAxes) {
  expect_same([] {
    const Tensor s = sum(filled({3, 5, 4}, 0, 1), Dims{0, 2}, false);
    return Tensors{copy_(slice(s, Dims{1}, Dims{4})), s};
  });
}

TEST(Segment, UsersOfPoolingOverOneImage) {
  expect_same([] {
    const Tensor x = filled({1, 4, 6, 8}, -2, 0.01f), row = filled({4, 3, 4}, 0, 0.01f);
    return Tensors{add(max_pool2d(x, Dims{2, 2}), row)};
  });
}

// A window's gradient is written at all of its taps, and what follows is computed there: one kernel.
TEST(Segment, UsersOfPoolingsGradientRunAtEveryTap) {
  for (const Dims& kernel : {Dims{2, 2}, Dims{3, 2}, Dims{1, 3}, Dims{6, 3}}) {
    const auto f = [&] {
      Tensor x = filled({2, 3, 6, 18}, -500, 1);
      x.autograd().requires_grad = true;
      const Tensor y = max_pool2d(mul(x, filled({6, 18}, -1, 0.002f)), kernel);
      eager::backward(sum(mul(y, y)), {});
      return Tensors{eager::detach(y), *x.autograd().grad};
    };
    expect_same(f);
    auto record = std::make_shared<tracer::FunctionRecord>("f");
    tracer::SegmentScope scope(record);
    const Tensors results = f();
    scope.end(eager::FlushReason::function_end);
    const auto& steps = record->traces().at(0).program->info().steps;
    EXPECT_TRUE(std::ranges::any_of(steps, [](const std::string& s) { return s.find("max_pool2d_tiles + multiply") != std::string::npos; }))
        << record->traces()[0].program->text("graph");
  }
}

// The mask of a relu before pooling is applied to the windows, with the bits of one that is applied to all pixels.
TEST(Segment, MasksOfPooledImages) {
  expect_same([] {
    Tensor x = filled({2, 3, 6, 18}, -500, 1);
    constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInf = std::numeric_limits<float>::infinity();
    constexpr float kSpecial[] = {kNan, -kInf, kInf, -0.0f, 0.0f, -1, 0, 0};
    std::memcpy(x.data(), kSpecial, sizeof kSpecial);
    x.autograd().requires_grad = true;
    Tensors out;
    for (const Dims& kernel : {Dims{2, 2}, Dims{1, 3}, Dims{4, 5}}) {
      const Tensor y = max_pool2d(relu(x), kernel);
      out.push_back(eager::detach(y));
      eager::backward(sum(mul(y, filled(y.shape(), -3, 0.01f))), {});
    }
    out.push_back(*x.autograd().grad);
    return out;
  });
}

TEST(Segment, ContractionsConvertTheirOperands) {
  expect_same([] {
    const Tensor bytes = astype(filled({5}, 0, 1), DType::U8), ints = astype(filled({3, 7}, 0, 1), DType::I32);
    return Tensors{linear(filled({4, 7}, -1, 0.01f), filled({5, 7}, 0, 0.01f), bytes), matmul(ints, filled({7, 2}, 0, 1))};
  });
}

TEST(Segment, NansKeepTheirBitsWhereNothingIsStored) {
  expect_same([] {
    Tensor x = filled({40}, 0, 1);
    const uint32_t strange = 0xffc01234;
    std::memcpy(x.data(), &strange, 4);
    std::memcpy(x.data() + 80, &strange, 4);
    const Tensor y = copy_(x), old = mul(x, 1.0);
    eager::write(slice(x, Dims{5}, Dims{20}), slice(x, Dims{15}, Dims{30}));
    const Tensor product = matmul(reshape(x, Dims{4, 10}), filled({10, 4}, 0, 1));
    eager::write(slice(product, Dims{1}, Dims{3}), slice(product, Dims{0}, Dims{2}));
    return Tensors{x, y, old, product};
  });
}

Tensor integers(const Dims& shape, std::vector<int64_t> values) {
  Tensor t = Tensor::empty(shape, DType::I64);
  for (int64_t i = 0; i < t.numel(); ++i) std::memcpy(t.data() + 8 * i, &values[static_cast<size_t>(i) % values.size()], 8);
  return t;
}

TEST(Segment, RowsOfATableAreReadWhereTheyAreUsed) {
  const Tensor table = filled({50, 129}, -3, 0.01f), at = integers({3, 5}, {0, 49, -1, -50, 17, 3, 3});
  for (const Tensor& from :
       {table, swapaxes(filled({129, 50}, -3, 0.01f), int64_t{0}, int64_t{1}), slice(table, Dims{0, 0}, Dims{50, 120})}) {
    expect_same([&] {
      const Tensor x = add(take(from, at, int64_t{0}), 1.0);
      const Tensor centred = sub(x, div_(sum(x, int64_t{-1}, true), 129.0));
      return Tensors{x, centred, sum(centred, int64_t{1}), max_(take(from, at, int64_t{1}), int64_t{0})};
    });
  }
}

TEST(Segment, ElementsAlongAnAxis) {
  const Tensor x = filled({9, 40, 7}, -3, 0.01f);
  expect_same(
      [&] {
        const Tensor middle = take_along_axis(x, integers({9, 3, 7}, {0, -1, 39, -40, 5}), int64_t{1});
        const Tensor order = argsort(x, int64_t{2});
        const Tensor sorted = mul(take_along_axis(x, order, int64_t{2}), 2.0);
        return Tensors{mul(middle, middle), sorted, sum(sorted, int64_t{2}), sum(take_along_axis(x, order, int64_t{2}), int64_t{0})};
      },
      2);  // the order is computed first, for its check
}

// The same memory before and after it is written over, by the kernel that reads it or another.
TEST(Segment, WhatIsTakenFromIsWrittenOver) {
  expect_same([] {
    Tensor x = filled({40}, 0, 1), y = filled({40}, 0, 1);
    const Tensor backwards = integers({40}, {39, 3, -1, 20});
    eager::write(x, mul(take(x, backwards), 2.0));
    const Tensor z = add(take(y, backwards), 1.0);
    eager::write(slice(y, Dims{3}, Dims{30}), slice(z, Dims{0}, Dims{27}));
    return Tensors{x, y, z, add(take(y, backwards), take(x, backwards))};
  });
}

// A gather moves bits, whatever the kernel around it computes.
TEST(Segment, TakenNansKeepTheirBits) {
  for (const DType dtype : {DType::F32, DType::F16}) {
    expect_same(
        [&] {
          Tensor x = astype(filled({40}, 0, 1), dtype);
          for (int i = 0; i < 3; ++i) std::memset(x.data() + 10 * size_of(dtype) * i, 0xfe, static_cast<size_t>(size_of(dtype)));
          const Tensor taken = take(x, integers({30}, {0, 20, 1, 10}));
          return Tensors{taken, add(taken, taken)};
        },
        2);
  }
}

TEST(Segment, AnIndexOutOfBoundsRaisesAtItsCall) {
  const Tensor x = filled({10}, 0, 1);
  auto record = std::make_shared<tracer::FunctionRecord>("f");
  tracer::SegmentScope scope(record);
  Tensor y = mul(x, 2.0);
  EXPECT_THROW(add(take(y, integers({2}, {3, 10})), 1.0), Error);
  eager::write(y, mul(y, 2.0));
  const Tensor z = add(take(y, integers({2}, {3, -10})), 1.0);
  scope.end(eager::FlushReason::function_end);
  EXPECT_EQ(record->traces().size(), 1u);  // a failed check runs nothing
  EXPECT_EQ(bytes(z), bytes(add(take(mul(x, 4.0), integers({2}, {3, -10})), 1.0)));
}

// What one capture of f did, and its results.
std::pair<tracer::ProgramInfo, Tensors> captured(const std::function<Tensors()>& f) {
  auto record = std::make_shared<tracer::FunctionRecord>("f");
  tracer::SegmentScope scope(record);
  Tensors results = f();
  scope.end(eager::FlushReason::function_end);
  return {record->traces().at(0).program->info(), std::move(results)};
}

TEST(Segment, AnInputThatNobodySeesAfterwardsLendsItsMemory) {
  constexpr int64_t kBytes = 4 * 300 * 1000;
  const Dims shape{300, 1000};
  const std::vector<std::byte> expected = bytes(add(mul(filled(shape, 0, 1), 2.0), 1.0));
  const std::byte* before = nullptr;
  const auto doubled = [&](auto hold) {
    return captured([&] {
      Tensor x = filled(shape, 0, 1);
      before = x.data();
      hold(x);
      return Tensors{add(mul(x, 2.0), 1.0)};
    });
  };
  {
    const int64_t in_use = codegen::memory_stats().in_use;
    codegen::reset_peak();
    const auto [info, results] = doubled([](const Tensor&) {});
    EXPECT_EQ(info.lent_bytes, kBytes);
    EXPECT_EQ(results[0].data(), before);
    EXPECT_EQ(bytes(results[0]), expected);
    EXPECT_LT(codegen::memory_stats().peak, in_use + kBytes * 3 / 2);
  }
  // Whoever holds a view, or the memory, sees it unchanged.
  Tensor kept;
  const auto [with_view, of_view] = doubled([&](const Tensor& x) { kept = slice(x, Dims{0}, Dims{2}); });
  EXPECT_EQ(with_view.lent_bytes, 0);
  EXPECT_EQ(bytes(of_view[0]), expected);
  EXPECT_EQ(bytes(kept), bytes(filled({2, 1000}, 0, 1)));
  const auto [exported, of_exported] = doubled([](const Tensor& x) { x.storage().add_export(); });
  EXPECT_NE(of_exported[0].data(), before);
  EXPECT_EQ(bytes(of_exported[0]), expected);
  std::vector<float> outside(300 * 1000);
  const auto [info, results] = captured([&] {
    auto lent = eager::Storage::adopt(outside.data(), kBytes, true, nullptr);
    return Tensors{add(Tensor::view(lent, 0, shape, {1000, 1}, DType::F32), 1.0)};
  });
  EXPECT_EQ(info.lent_bytes, 0);
  EXPECT_EQ(outside, std::vector<float>(300 * 1000));
}

TEST(Segment, LentMemoryIsTakenOnceWhatItHeldIsRead) {
  const Tensor w = filled({40, 40}, 0, 0.001f);
  expect_same([&] {  // the product reads x as a whole, its square fits where x was
    const Tensor x = filled({40, 40}, 0, 0.01f);
    const Tensor product = matmul(x, w);
    return Tensors{exp_(matmul(mul(product, product), product)), max_(product, int64_t{1})};
  });
  expect_same([&] {  // x is read backwards, by the kernel that could write over it
    const Tensor x = filled({40, 40}, 0, 0.01f);
    return Tensors{add(flip(x), x)};
  });
  expect_same([&] {  // two results, one loan; and a result that is x itself
    const Tensor x = filled({40, 40}, 0, 0.01f);
    return Tensors{add(x, 1.0), mul(x, 2.0), slice(copy_(x), Dims{3}, Dims{9})};
  });
  expect_same([&] {
    Tensor x = filled({40, 40}, 0, 0.01f);
    eager::write(slice(x, Dims{0}, Dims{1}), slice(x, Dims{1}, Dims{2}));
    return Tensors{matmul(x, w), sum(x, int64_t{0})};
  });
  expect_same([&] {  // the tape holds what the gradient needs
    Tensor v = filled({40, 40}, 0, 0.01f);
    v.autograd().requires_grad = true;
    Tensor loss = sum(mul(exp_(v), v));
    eager::backward(loss, {});
    return Tensors{eager::detach(*v.autograd().grad), eager::detach(loss)};
  });
}

TEST(Segment, ContractionsOfNothing) {
  expect_same([] {
    const Tensor none = Tensor::empty({3, 0}, DType::F32), bias = filled({4}, 1, 1);
    return Tensors{linear(none, Tensor::empty({4, 0}, DType::F32), bias), matmul(none, Tensor::empty({0, 2}, DType::F32)),
                   matmul(Tensor::empty({0, 5}, DType::F32), filled({5, 2}, 0, 1))};
  });
}

// Few channels: images lie on the lanes from one convolution to the next, through pooling, masks and bytes, and leave them for others.
TEST(Segment, ImagesOnLanesBetweenConvolutions) {
  const auto f = [&](int64_t images) {
    Tensor x = filled({images, 1, 12, 12}, -1, 0.002f), w1 = filled({6, 1, 3, 3}, -0.5, 0.02f), b1 = filled({6}, 0, 0.1f);
    Tensor w2 = filled({16, 6, 3, 3}, -0.4f, 0.001f), b2 = filled({16}, 0, 0.01f), w3 = filled({16, 16, 1, 1}, -0.2f, 0.003f);
    Tensor per_image = filled({images, 1, 1, 1}, 0.5, 0.03f);
    for (Tensor* p : {&x, &w1, &b1, &w2, &b2, &w3}) p->autograd().requires_grad = true;
    Tensor h = max_pool2d(relu(conv2d(x, w1, b1)), Dims{2, 2});
    h = mul(relu(conv2d(h, w2, b2)), per_image);
    Tensor loss = sum(conv2d(h, w3));  // of 16 channels, which are blocked by channel
    eager::backward(loss, {});
    Tensors out{eager::detach(loss), eager::detach(h)};
    for (Tensor* p : {&x, &w1, &b1, &w2, &b2, &w3}) out.push_back(*p->autograd().grad);
    return out;
  };
  for (const int64_t images : {16, 48, 20}) expect_same([&] { return f(images); });
}

TEST(Segment, TrainingStepOfASmallNet) {
  const auto f = [&] {
    Tensor x = filled({8, 1, 12, 12}, -1, 0.002f);
    Tensor w1 = filled({16, 1, 3, 3}, -0.5, 0.001f), b1 = filled({16}, 0, 0.0001f);
    Tensor w2 = filled({10, 16 * 25}, -0.05f, 0.0001f), b2 = filled({10}, 0, 0.0001f);
    Tensor target = Tensor::empty({8}, DType::I64);
    for (int i = 0; i < 8; ++i) reinterpret_cast<int64_t*>(target.data())[i] = i;
    for (Tensor* p : {&w1, &b1, &w2, &b2}) p->autograd().requires_grad = true;
    Tensor h = relu(conv2d(x, w1, b1));
    h = max_pool2d(h, Dims{2, 2});
    h = reshape(h, Dims{8, 16 * 25});
    Tensor loss = cross_entropy(linear(h, w2, b2), target);
    eager::backward(loss, {});
    Tensors out;
    const eager::NoGrad no_grad;
    for (Tensor* p : {&w1, &b1, &w2, &b2}) {
      eager::call_in_place(sub.definition(), std::vector<eager::Operand>{*p, mul(*p->autograd().grad, 0.01)}, {}, *p);
      out.push_back(eager::detach(*p));
    }
    out.push_back(eager::detach(loss));
    return out;
  };
  expect_same(f);
}

}  // namespace
}  // namespace kiln
