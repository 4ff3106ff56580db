// Programs from C++, by the public header alone: files of other builds, which tests/cpp/package/golden holds.
#include "expect.h"

#include <cstdio>
#include <fstream>
#include <iterator>

#include <unistd.h>

namespace kiln::testing {
namespace {

Program golden(const std::string& name) { return load(KILN_SOURCE "/tests/cpp/package/golden/" + name + ".kiln"); }

TEST(Programs, TellWhatTheyTakeAndHold) {
  const Program model = golden("model");
  EXPECT_EQ(model.entries(), std::vector<std::string>{"predict"});
  EXPECT_EQ(model.state_names(), (std::vector<std::string>{"weight", "0.bias"}));
  const std::vector<InputSpec> inputs = model.only().inputs();
  ASSERT_EQ(inputs.size(), 2u);
  EXPECT_EQ(inputs[0].name, "images");
  EXPECT_EQ(inputs[0].dtype, DType::F32);
  EXPECT_EQ(inputs[0].shape, (std::vector<std::string>{"batch", "3"}));
  EXPECT_EQ(inputs[1].shape, (std::vector<std::string>{"k", "k", "1"}));
  EXPECT_NE(model["predict"].text().find("matmul"), std::string::npos);
}

TEST(Programs, RunAsTheSameOperatorsDo) {
  const Program model = golden("model");
  manual_seed(1);
  const Tensor images = random_normal({12, 3}), scale = astype(random_normal({1, 1, 1}), DType::F64);
  const std::vector<Tensor> results = model["predict"].run({images, scale});
  ASSERT_EQ(results.size(), 2u);
  const Tensor sums = sum(reshape(matmul(images, model.state("weight")) + model.state("0.bias"), {48}), Axes(), false, DType::F64);
  EXPECT_TRUE(same_bits(results[0], sums / (0.1 / 48.0)));
  EXPECT_EQ(results[1].shape(), Shape({1, 2, 3}));
  expect_error(ErrorCode::value, "entry 'predict' has 2 results; call run()", [&] { model(images, scale); });
  EXPECT_NE(model.only().explain().find("predict"), std::string::npos);
}

TEST(Programs, RefuseWhatDoesNotFit) {
  const Program model = golden("model");
  const Tensor images = ones({12, 3}), scale = ones({1, 1, 1}, DType::F64);
  const auto run = [&](const Tensor& a, const Tensor& b) { return [&model, a, b] { model["predict"].run({a, b}); }; };
  expect_error(ErrorCode::type, "expected 2 tensors, got 1", [&] { model["predict"].run({images}); });
  expect_error(ErrorCode::type, "input 'scale': expected float64(k, k, 1), got float32(1, 1, 1)", run(images, ones({1, 1, 1})));
  expect_error(ErrorCode::value, "input 'images': expected float32(batch, 3), got float32(12, 4)", run(ones({12, 4}), scale));
  expect_error(ErrorCode::value, "k is 1 in input 'scale'", run(images, ones({1, 2, 1}, DType::F64)));
  expect_error(ErrorCode::value, "break the constraint (batch % 4) == 0, which the source compared at train.py:3: batch = 13, k = 1",
               run(ones({13, 3}), scale));
  expect_error(ErrorCode::index, "no entry 'train'; it has predict", [&] { model["train"]; });
  expect_error(ErrorCode::index, "no state 'biases'", [&] { model.state("biases"); });
  const Tensor leaf = ones({12, 3});
  leaf.requires_grad_();
  expect_error(ErrorCode::runtime, "input 'images' requires grad, and results of a program are off the tape", run(leaf, scale));
  const auto scope = no_grad();
  EXPECT_EQ(model["predict"].run({leaf, scale}).size(), 2u);
}

TEST(Programs, TrainTheirOwnStateAndSaveIt) {
  const Program training = golden("training"), untouched = golden("training");
  expect_error(ErrorCode::value, "several entries; name one", [&] { training.only(); });
  const auto before = training.state("steps").item<int32_t>();
  Tensor momentum = contiguous(training.state("momentum.\"0\"\n\\é")) * 1.0f;
  for (int i = 0; i < 3; ++i) {
    const Tensor gradient = full({5}, 0.5f + static_cast<float>(i));
    momentum *= 0.9;
    momentum += gradient;
    EXPECT_TRUE(training["train"].run({gradient}).empty());
    EXPECT_TRUE(same_bits(gradient, momentum)) << "the entry writes its input";
  }
  EXPECT_EQ(training.state("steps").item<int32_t>(), before + 3);

  const std::string path = ::testing::TempDir() + "/kiln_trained_" + std::to_string(getpid()) + ".kiln";
  training.save(path);
  const Program again = load(path);
  std::remove(path.c_str());
  for (const std::string& name : training.state_names()) EXPECT_TRUE(same_bits(again.state(name), training.state(name))) << name;
  EXPECT_EQ(untouched.state("steps").item<int32_t>(), before) << "a file is not written to";
  manual_seed(3);
  const Tensor drawn = again["draw \"é\""].run({})[0];
  manual_seed(3);
  EXPECT_TRUE(same_bits(drawn, training["draw \"é\""].run({})[0]));
}

TEST(Programs, DamagedFilesSaySo) {
  const std::string path = ::testing::TempDir() + "/kiln_damaged_" + std::to_string(getpid()) + ".kiln";
  std::ifstream file(KILN_SOURCE "/tests/cpp/package/golden/model.kiln", std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(file), {}};
  bytes[bytes.size() / 2] ^= 1;
  std::ofstream(path, std::ios::binary) << bytes;
  expect_error(ErrorCode::io, "is corrupt", [&] { load(path); });
  std::ofstream(path, std::ios::binary) << bytes.substr(0, 1000);
  expect_error(ErrorCode::io, "truncated", [&] { load(path); });
  std::remove(path.c_str());
  expect_error(ErrorCode::io, "No such file", [&] { load(path); });
}

}  // namespace
}  // namespace kiln::testing
