// Tensors, storages and the words about shapes.
#include <thread>

#include "eager/promotion.h"
#include "tests/cpp/eager/tensors.h"

namespace kiln::testing {
namespace {

TEST(Dims, ReadAsTuples) {
  EXPECT_EQ(to_string(Dims{}), "()");
  EXPECT_EQ(to_string(Dims{4}), "(4,)");
  EXPECT_EQ(to_string(TensorType{DType::F32, {2, 3}}), "float32(2, 3)");
}

TEST(Dims, Broadcast) {
  EXPECT_EQ(broadcast({3, 1}, {2, 1, 4}), (Dims{2, 3, 4}));
  EXPECT_EQ(broadcast({0}, {1}), (Dims{0}));
  EXPECT_TRUE(broadcastable_to({1, 3}, {2, 3}));
  EXPECT_FALSE(broadcastable_to({2, 3}, {3}));
  expect_error(ErrorCode::value, "(2,) and (3,)", [] { broadcast({2}, {3}); });
  expect_error(ErrorCode::index, "axis -3 is out of range for a tensor of 2 dimensions", [] { normalize_axis(-3, 2); });
  expect_error(ErrorCode::value, "at most 8 dimensions", [] { Dims::filled(9, 1); });
}

TEST(Tensor, KnowsWhetherItIsContiguous) {
  const Tensor t = counting({2, 3});
  EXPECT_TRUE(t.is_contiguous());
  const Ref<Storage> s(&t.storage());
  EXPECT_FALSE(Tensor::view(s, 0, {3, 2}, {1, 3}, DType::F32).is_contiguous());
  EXPECT_TRUE(Tensor::view(s, 0, {1, 6, 1}, {99, 1, -7}, DType::F32).is_contiguous());
  EXPECT_TRUE(Tensor::view(s, 0, {0, 5}, {1, 1}, DType::F32).is_contiguous());
}

TEST(Tensor, RefusesSizesThatCannotBe) {
  expect_error(ErrorCode::value, "negative", [] { Tensor::empty({-1}, DType::F32); });
  expect_error(ErrorCode::memory, "too large", [] { Tensor::empty({int64_t{1} << 40, int64_t{1} << 40}, DType::F32); });
  EXPECT_EQ(Tensor::empty({int64_t{1} << 40, int64_t{1} << 40, 0}, DType::F32).numel(), 0);
}

class Watched final : public ForeignMemory {
 public:
  explicit Watched(bool* gone) : gone_(gone) {}
  ~Watched() override { *gone_ = true; }
  bool visible_outside() const override { return true; }

 private:
  bool* gone_;
};

TEST(Storage, ForeignMemoryIsKeptAndTold) {
  bool gone = false;
  float data[4] = {1, 2, 3, 4};
  {
    const Ref<Storage> s = Storage::adopt(data, sizeof data, true, std::make_unique<Watched>(&gone));
    EXPECT_TRUE(s->shared());
    const Tensor t = Tensor::view(s, 0, {4}, {1}, DType::F32);
    write(t, Scalar(7));
  }
  EXPECT_TRUE(gone);
  EXPECT_EQ(data[3], 7);
}

TEST(Storage, ExportsCount) {
  const Tensor t = counting({2});
  EXPECT_FALSE(t.storage().shared());
  t.storage().add_export();
  EXPECT_TRUE(t.storage().shared());
  t.storage().remove_export();
  EXPECT_FALSE(t.storage().shared());
}

// Tensors made on one thread and dropped on another, threads that end with tensors recycled: the sanitizers watch this one.
TEST(Tensor, MoveBetweenThreads) {
  const Op add{"add"};
  std::vector<Tensor> made;
  std::mutex mutex;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        Tensor x = add(counting({8}), static_cast<double>(i));
        const std::lock_guard lock(mutex);
        made.push_back(std::move(x));
        if (made.size() > 100) made.erase(made.begin(), made.begin() + 50);
      }
    });
  for (std::thread& t : threads) t.join();
  for (const Tensor& t : made) EXPECT_EQ(values(t)[1] - values(t)[0], 1);
}

}  // namespace
}  // namespace kiln::testing
