// Calls: what operands become, what comes out, and what is said when they do not fit.
#include <limits>

#include "eager/generator.h"
#include "tests/cpp/eager/tensors.h"

namespace kiln::testing {
namespace {

const Op add{"add"}, multiply{"multiply"}, divide{"divide"}, log{"log"}, bitwise_invert{"bitwise_invert"}, permute{"permute_dims"},
    slice{"slice"}, broadcast_to{"broadcast_to"}, exp_{"exp"}, astype{"astype"}, random_uniform{"random_uniform"};

DType dtype_of(const Tensor& t) { return t.dtype(); }

TEST(Promotion, TensorsMeetInTheLargerKind) {
  const auto sum = [](DType a, DType b) { return dtype_of(add(tensor({1}, {1}, a), tensor({1}, {1}, b))); };
  EXPECT_EQ(sum(DType::U8, DType::I32), DType::I32);
  EXPECT_EQ(sum(DType::I64, DType::F32), DType::F32);
  EXPECT_EQ(sum(DType::F32, DType::F64), DType::F64);
  EXPECT_EQ(sum(DType::Bool, DType::U8), DType::U8);
}

TEST(Promotion, NumbersAreWeak) {
  EXPECT_EQ(dtype_of(add(tensor({1}, {1}, DType::U8), 1)), DType::U8);
  EXPECT_EQ(dtype_of(add(tensor({1}, {1}, DType::I32), 1.5)), DType::F32);
  EXPECT_EQ(dtype_of(add(tensor({1}, {1}, DType::F64), 1.5)), DType::F64);
  EXPECT_EQ(dtype_of(add(tensor({1}, {1}, DType::Bool), 2)), DType::I64);
  EXPECT_EQ(values(add(tensor({2}, {1, 2}, DType::F64), 0.1)), (Numbers{1.1, 2.1}));
}

TEST(Promotion, FloatsAreWhatFloatOnlyOperatorsWant) {
  EXPECT_EQ(dtype_of(exp_(tensor({1}, {0}, DType::I64))), DType::F32);
  set_default_dtype(DType::F64);
  EXPECT_EQ(dtype_of(exp_(tensor({1}, {0}, DType::I64))), DType::F64);
  set_default_dtype(DType::F32);
  EXPECT_EQ(dtype_of(exp_(tensor({1}, {0}, DType::I64))), DType::F32);
  expect_error(ErrorCode::type, "int32", [] { set_default_dtype(DType::I32); });
}

TEST(Scalar, BitsAreThoseOfACast) {
  EXPECT_EQ(Scalar(300).bits_as(DType::U8), 44u);
  EXPECT_EQ(Scalar(1e30).bits_as(DType::I32), 0x7fffffffu);
  EXPECT_EQ(Scalar(std::numeric_limits<double>::quiet_NaN()).bits_as(DType::I64), 0u);
  EXPECT_EQ(Scalar(-1).bits_as(DType::I32), 0xffffffffu);
  EXPECT_EQ(Scalar(0.5).bits_as(DType::Bool), 1u);
}

TEST(Call, Broadcasts) {
  const Tensor column = counting({2, 1}), row = counting({3});
  EXPECT_EQ(values(add(column, row)), (Numbers{0, 1, 2, 1, 2, 3}));
  EXPECT_EQ(add(counting({2, 3, 1}), counting({1, 4})).shape(), (Dims{2, 3, 4}));
  EXPECT_EQ(values(add(counting({}), counting({2}))), (Numbers{0, 1}));
}

TEST(Call, TheSamePlanServesOtherShapes) {
  for (int64_t n : {1, 2, 7, 33, 5000, 1}) {
    const Tensor x = counting({n});
    EXPECT_EQ(values(add(x, x)), values(multiply(x, 2))) << n;
    const Tensor m = counting({3, n});
    EXPECT_EQ(values(add(m, counting({n}))), values(add(counting({n}), m))) << n;
  }
}

TEST(Call, ReadsViewsAsTheyLie) {
  const Tensor x = counting({2, 3});
  const Tensor t = permute(x, Dims{1, 0});
  EXPECT_EQ(values(add(t, 0)), (Numbers{0, 3, 1, 4, 2, 5}));
  const Tensor backwards = slice(counting({6}), Dims{5}, Dims{-1}, Dims{-2});
  EXPECT_EQ(values(add(backwards, backwards)), (Numbers{10, 6, 2}));
  EXPECT_EQ(values(multiply(broadcast_to(counting({1, 3}), Dims{2, 3}), permute(counting({3, 2}), Dims{1, 0}))),
            (Numbers{0, 2, 8, 0, 3, 10}));
}

TEST(Call, EmptyTensorsGiveEmptyTensors) {
  EXPECT_EQ(add(counting({0, 3}), counting({3})).shape(), (Dims{0, 3}));
  EXPECT_EQ(add(counting({0}), 1.0).shape(), (Dims{0}));
}

TEST(Call, SaysWhatDoesNotFit) {
  expect_error(ErrorCode::value, "add: shapes (2, 3) and (4,) do not broadcast", [] { add(counting({2, 3}), counting({4})); });
  expect_error(ErrorCode::type, "bitwise_invert: x is float32; expected integers or bool", [] { bitwise_invert(counting({2})); });
  expect_error(ErrorCode::type, "add: missing argument 'x2'", [] { add(counting({2})); });
  expect_error(ErrorCode::type, "add: too many arguments", [] { add(counting({2}), 1, 2); });
}

TEST(Call, OperandsFitAResultWhoseShapeARuleSays) {
  const Op sequence{"sequence"}, join{"join"};
  expect_error(ErrorCode::value, "does not broadcast to the result's shape (6,)", [&] { sequence(6, counting({3, 6, 3}), 1, DType::F32); });
  expect_error(ErrorCode::index, "axis", [&] { join(counting({3}), counting({3}), 3); });
  expect_error(ErrorCode::index, "from the front", [&] { join(counting({3}), counting({3}), -1); });
}

TEST(Call, RandomOperatorsTakeOneCallIndexEach) {
  manual_seed(3);
  const Tensor first = random_uniform(Dims{5}), second = random_uniform(Dims{5});
  EXPECT_EQ(generator_state().call, 2);
  EXPECT_NE(values(first), values(second));
  manual_seed(3);
  EXPECT_EQ(values(random_uniform(Dims{5})), values(first));
}

// ---- in place -------------------------------------------------------------------------------------------------------

void add_in_place(const Tensor& x, const Operand& y) {
  const Operand operands[] = {x, y};
  call_in_place(add.definition(), operands, {}, x);
}

TEST(InPlace, WritesWhereItStands) {
  const Tensor x = counting({2, 3});
  const std::byte* before = x.data();
  const uint32_t version = x.storage().version();
  add_in_place(x, counting({3}));
  EXPECT_EQ(values(x), (Numbers{0, 2, 4, 3, 5, 7}));
  EXPECT_EQ(x.data(), before);
  EXPECT_EQ(x.storage().version(), version + 1);
  add_in_place(slice(x, Dims{0, 1}, Dims{2, 2}), 100.0);
  EXPECT_EQ(values(x), (Numbers{0, 102, 4, 3, 105, 7}));
}

TEST(InPlace, OverlappingOperandsAreReadBeforeTheyAreWritten) {
  const Tensor x = counting({5});
  add_in_place(slice(x, Dims{1}, Dims{5}), slice(x, Dims{0}, Dims{4}));
  EXPECT_EQ(values(x), (Numbers{0, 1, 3, 5, 7}));
  const Tensor m = counting({3, 3});
  add_in_place(m, permute(m, Dims{1, 0}));
  EXPECT_EQ(values(m), (Numbers{0, 4, 8, 4, 8, 12, 8, 12, 16}));
  const Tensor v = counting({4});
  write(slice(v, Dims{1}, Dims{4}), slice(v, Dims{0}, Dims{3}));
  EXPECT_EQ(values(v), (Numbers{0, 0, 1, 2}));
}

TEST(InPlace, CastsOfOneCallAreNotTheNext) {
  const Tensor narrow = counting({7}), wide = counting({7}, DType::F64);
  for (int i = 0; i < 3; ++i) {
    const Operand operands[] = {narrow, wide};
    call_in_place(multiply.definition(), operands, {}, narrow);  // the product, in float64, is stored as float32
    EXPECT_EQ(dtype_of(multiply(narrow, wide)), DType::F64);
  }
}

TEST(InPlace, CastsToTheOperatorsDTypeFirst) {
  const Tensor x = tensor({2}, {9, 0}, DType::I32);
  const Operand operands[] = {x};
  call_in_place(astype.definition(), operands, {DType::Bool}, x);
  EXPECT_EQ(values(x), (Numbers{1, 0}));
}

TEST(InPlace, RefusesWithoutChangingAnything) {
  const Tensor ints = counting({3}, DType::I32), x = counting({3});
  expect_error(ErrorCode::type, "cannot cast float32 to int32 in place", [&] { add_in_place(ints, 0.5); });
  expect_error(ErrorCode::value, "does not fit into shape (3,)", [&] { add_in_place(x, counting({2, 3})); });
  expect_error(ErrorCode::value, "broadcast view", [&] { add_in_place(broadcast_to(x, Dims{2, 3}), 1); });
  static float fixed[] = {1, 2, 3};
  const Tensor foreign = Tensor::view(Storage::adopt(fixed, sizeof fixed, false, nullptr), 0, {3}, {1}, DType::F32);
  expect_error(ErrorCode::value, "assignment destination is read-only", [&] { add_in_place(foreign, 1); });
  EXPECT_EQ(values(ints), (Numbers{0, 1, 2}));
  EXPECT_EQ(values(x), (Numbers{0, 1, 2}));
  EXPECT_EQ(fixed[0], 1);
  EXPECT_EQ(x.storage().version(), 0u);
  add_in_place(x, tensor({3}, {1}, DType::F64));  // within a kind the destination's dtype wins
  EXPECT_EQ(values(x), (Numbers{1, 2, 3}));
}

TEST(Write, CastsAndBroadcasts) {
  const Tensor x = counting({2, 3}, DType::I32);
  write(x, tensor({3}, {1.9, -1.9, 7}, DType::F64));
  EXPECT_EQ(values(x), (Numbers{1, -1, 7, 1, -1, 7}));
  const Tensor wide = counting({2}, DType::F64);
  write(wide, Scalar(0.1));
  EXPECT_EQ(values(wide), (Numbers{0.1, 0.1}));
  expect_error(ErrorCode::value, "does not fit", [&] { write(x, counting({4})); });
}

// ---- deferral --------------------------------------------------------------------------------------------------------

// Takes every call and runs all of them, in order, at a flush.
class ListRecorder final : public Recorder {
 public:
  bool record(const Operator& op, const Arguments& a, std::span<const TensorType> types, Tensor* outputs) override {
    Call call{&op, {a.operands.begin(), a.operands.end()}, a.attrs, {types.begin(), types.end()}, {}};
    for (size_t i = 0; i < types.size(); ++i) {
      outputs[i] = Tensor::pending(types[i].shape, types[i].dtype);
      outputs[i].storage().claim(this, 0);
      outputs[i].storage().set_pending_writes();
      call.outputs.push_back(outputs[i]);
    }
    calls.push_back(std::move(call));
    return true;
  }
  bool record_write(const Tensor& destination, const Operand& source) override {
    destination.storage().claim(this, 0);
    destination.storage().set_pending_writes();
    calls.push_back({nullptr, {source}, {}, {}, {destination}});
    return true;
  }
  void flush(FlushReason reason) override {
    reasons.push_back(reason);
    set_recorder(nullptr);
    std::vector<Call> list = std::exchange(calls, {});
    for (Call& c : list)
      for (Tensor& t : c.outputs) t.storage().release_claim(), t.storage().ensure_allocated();
    for (Call& c : list) {
      if (c.op) compute(*c.op, {c.operands, c.attrs}, c.types, c.outputs.data());
      else write(c.outputs[0], c.operands[0]);
    }
    set_recorder(this);
  }

  struct Call {
    const Operator* op;
    std::vector<Operand> operands;
    Attrs attrs;
    std::vector<TensorType> types;
    Tensors outputs;
  };
  std::vector<Call> calls;
  std::vector<FlushReason> reasons;
};

class Deferred : public ::testing::Test {
 protected:
  Deferred() { set_recorder(&recorder); }
  ~Deferred() override { set_recorder(nullptr); }
  ListRecorder recorder;
};

TEST_F(Deferred, OperatorsWaitUntilTheirDataIsNeeded) {
  const Tensor x = add(counting({3}), 1.0);
  const Tensor view = slice(x, Dims{1}, Dims{3});
  EXPECT_EQ(recorder.calls.size(), 1u) << "a view is metadata alone";
  EXPECT_EQ(x.storage().raw(), nullptr);
  materialise(view, FlushReason::item);
  EXPECT_EQ(recorder.reasons, std::vector{FlushReason::item});
  set_recorder(nullptr);
  EXPECT_EQ(values(view), (Numbers{2, 3}));
}

TEST_F(Deferred, CompositionsAreRecordedInParts) {
  const Tensor x = counting({2, 3});
  const Tensor y = Op("mean")(x, 1);
  EXPECT_GE(recorder.calls.size(), 1u);
  for (const auto& call : recorder.calls) EXPECT_FALSE(call.op->compose);
  materialise(y, FlushReason::repr);
  set_recorder(nullptr);
  EXPECT_EQ(values(y), (Numbers{1, 4}));
}

TEST_F(Deferred, TypesAreCheckedAtTheCall) {
  expect_error(ErrorCode::value, "do not broadcast", [] { add(counting({2}), counting({3})); });
  EXPECT_TRUE(recorder.calls.empty());
}

// A call like one before is not inferred again; whatever its type depends on makes it another call.
TEST_F(Deferred, CallsSeenBeforeHaveTheTypesOfTheFirst) {
  const std::vector<Operand> operands{counting({3}),
                                      Tensor::empty({3}, DType::I32),
                                      Tensor::empty({3}, DType::F64),
                                      Tensor::empty({3}, DType::Bool),
                                      Tensor::empty({2, 3}, DType::F32),
                                      Operand(2),
                                      Operand(2.5)};
  const DType before = default_dtype();
  for (int round = 0; round < 2; ++round)
    for (const DType floats : {DType::F32, DType::F64})
      for (const char* name : {"add", "divide", "less"})
        for (const Operand& a : operands)
          for (const Operand& b : operands) {
            if (!a.is_tensor() && !b.is_tensor()) continue;
            set_default_dtype(floats);
            const Operator& op = *find_operator(name);
            const Operand both[] = {a, b};
            Tensor result;
            call(op, both, {}, &result);
            const TensorType right = infer(op, {both, Attrs()})[0];
            EXPECT_EQ(to_string(TensorType{result.dtype(), result.shape()}), to_string(right)) << name;
          }
  set_default_dtype(before);
  for (int round = 0; round < 2; ++round)
    expect_error(ErrorCode::type, "expected", [&] { Op("bitwise_and")(operands[0].tensor, operands[0].tensor); });
}

TEST_F(Deferred, WritesAreRecordedAndCountedAtTheCall) {
  const Tensor x = counting({3});
  add_in_place(x, 1.0);
  EXPECT_EQ(x.storage().version(), 1u);
  EXPECT_EQ(recorder.calls.size(), 2u);
  x.data();
  EXPECT_EQ(x.storage().version(), 2u) << "this recorder's own write counts, for it writes as a user does";
  set_recorder(nullptr);
  EXPECT_EQ(values(x), (Numbers{1, 2, 3}));
}

TEST_F(Deferred, GradientsRunAsTheyDoEagerly) {
  const Tensor x = leaf(counting({3}));
  const Tensor y = Op("sum")(multiply(multiply(x, x), x));
  backward(y, {});
  EXPECT_FALSE(recorder.calls.empty());
  x.autograd().grad->data();
  set_recorder(nullptr);
  EXPECT_EQ(gradient(x), (Numbers{0, 3, 12}));
}

}  // namespace
}  // namespace kiln::testing
