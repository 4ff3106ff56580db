// The kernel IR: text and back, the verifier's rules, passes, canonical blocks, the hash.
#include "codegen/kernel.h"

#include <set>

#include "codegen/builder.h"
#include "codegen/error.h"
#include "codegen/math.h"

namespace kiln::codegen {
namespace {

using Ids = std::vector<uint32_t>;

::testing::AssertionResult says(const std::string& text, std::string_view part) {
  if (text.find(part) != std::string::npos) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "\"" << text << "\" does not say \"" << part << "\"";
}

// softmax over the last axis: a maximum, a sum, a quotient.
constexpr const char* kSoftmaxLike = R"(kernel rank=2 reduction=lanes clip=-1 scalars=1
b0: f32 inner=contiguous reduced=contiguous
b1: f32 inner=contiguous reduced=contiguous written
b2: f32 inner=zero reduced=zero written
%0 = load f32 b0
%1 = reduce max f32 %0
%2 = sub f32 %0 %1
%3 = reduce add f32 %2
%4 = div f32 %2 %3
%5 = const f32 0x3fc00000 ; 1.5
%6 = mul f32 %4 %5
%7 = scalar f32 s0
%8 = add f32 %1 %7
store b1 %6
store b2 %8
)";

std::string error_of(void (*f)(const Kernel&), const Kernel& kernel) {
  try {
    f(kernel);
  } catch (const Error& e) { return e.what(); }
  return "no error";
}
std::string parse_error(std::string_view text) {
  try {
    parse(text);
  } catch (const Error& e) {
    EXPECT_EQ(ErrorCode::value, e.code());
    return e.what();
  }
  return "no error";
}

TEST(KernelText, PrintsWhatItReads) {
  const Kernel kernel = parse(kSoftmaxLike);
  verify(kernel);
  EXPECT_EQ(kSoftmaxLike, print(kernel));
}

// A row of a table for each index, doubled.
constexpr const char* kRowsOfATable = R"(kernel rank=2 reduction=none clip=-1 scalars=1
b0: i64 inner=zero reduced=zero
b1: f32 inner=contiguous reduced=zero gathered
b2: f32 inner=contiguous reduced=zero written
%0 = load i64 b0
%1 = scalar i64 s0
%2 = mul i64 %0 %1
%3 = gather f32 b1 %2
%4 = add f32 %3 %3
store b2 %4
)";

TEST(KernelText, ReadsGathers) {
  const Kernel kernel = parse(kRowsOfATable);
  verify(kernel);
  EXPECT_EQ(kRowsOfATable, print(kernel));
  Kernel masked = kernel;
  Builder b(masked);
  const Value here = b.lt(b.index(1), 3);
  b.store(b.add_buffer({.dtype = DType::F32}), b.gather(1, Value(&b, 2), here, b.constant(DType::F32, 1)));
  verify(masked);
  EXPECT_EQ(masked, parse(print(masked)));
}

TEST(Verify, RefusesWrongGathers) {
  const auto wrong = [](void (*change)(Kernel&)) {
    Kernel kernel = parse(kRowsOfATable);
    change(kernel);
    return error_of(verify, kernel);
  };
  EXPECT_TRUE(says(wrong([](Kernel& k) { k.nodes[3].operands[0] = kNoNode; }), "wrong number of operands"));
  EXPECT_TRUE(says(wrong([](Kernel& k) { k.nodes[3].operands[1] = 2; }), "wrong number of operands"));
  EXPECT_TRUE(says(wrong([](Kernel& k) { k.buffers[1].gathered = false; }), "not marked"));
  EXPECT_TRUE(says(wrong([](Kernel& k) { k.buffers[0].gathered = true; }), "loads a gathered buffer"));
  EXPECT_TRUE(says(wrong([](Kernel& k) { k.buffers[1].written = true; }), "both written and gathered"));
  EXPECT_TRUE(says(wrong([](Kernel& k) {
                     k.nodes[2] = {.kind = NodeKind::primitive, .prim = Prim::cast, .dtype = DType::I32, .operands = {0, kNoNode, kNoNode}};
                   }),
                   "offset that is not i64"));
}

TEST(KernelText, RoundTripsEveryKindOfNode) {
  Kernel kernel;
  kernel.rank = 3;
  kernel.reduction = Reduction::rows;
  kernel.clip = 0;
  Builder b(kernel);
  const auto in = [&](DType t, Stride inner, Stride reduced) { return b.add_buffer({t, false, inner, reduced}); };
  const Value x = b.load(in(DType::F64, Stride::any, Stride::any));
  const Value flag = b.load(in(DType::Bool, Stride::zero, Stride::contiguous));
  const Value masked = b.load(in(DType::F64, Stride::contiguous, Stride::any), flag, b.constant(DType::F64, -0.0));
  const Value sum = b.reduce(Prim::add, tanh(b, x * masked) + b.cast(b.index(1), DType::F64));
  b.store(b.add_buffer({DType::F64}), sum * b.scalar(1, DType::F64));
  verify(kernel);
  const Kernel again = parse(print(kernel));
  EXPECT_EQ(kernel, again);
  EXPECT_EQ(hash(kernel), hash(again));
}

TEST(KernelText, PrintsABoolThatTheVerifierRefuses) {
  Kernel kernel;
  kernel.nodes.push_back({.kind = NodeKind::constant, .dtype = DType::Bool, .bits = 2});
  EXPECT_NE(print(kernel).find("const bool 0x02 ; neither false nor true"), std::string::npos) << print(kernel);
}

TEST(KernelText, ConstantsAreExactInEveryDType) {
  Kernel kernel;
  Builder b(kernel);
  const uint64_t patterns[] = {0,
                               1,
                               0x7f,
                               0x80,
                               0xff,
                               0x7f800000,
                               0xff800000,
                               0x7fc00000,
                               0x3dcccccd,
                               0x80000000,
                               0x3fb999999999999a,
                               0x8000000000000000,
                               0x7ff0000000000000,
                               0x7ff8000000000000};
  for (const DTypeInfo& t : kRealDTypes)
    for (uint64_t bits : patterns)
      if ((t.bytes == 8 || bits >> (8 * t.bytes) == 0) && (t.dtype != DType::Bool || bits <= 1)) b.constant_bits(t.dtype, bits);
  const Kernel again = parse(print(kernel));
  EXPECT_EQ(kernel, again);
}

TEST(KernelText, TakesPlainNumbersAndComments) {
  const Kernel kernel = parse(
      "; a comment\nkernel rank=1 reduction=none clip=-1 scalars=0\n\nb0: i32 inner=contiguous reduced=zero written ; out\n"
      "%0 = const i32 -7\n store b0 %0");
  EXPECT_EQ(0xfffffff9u, kernel.nodes[0].bits);
  verify(kernel);
}

TEST(KernelText, ErrorsNameLineAndColumn) {
  const std::string header = "kernel rank=1 reduction=none clip=-1 scalars=0\n";
  EXPECT_TRUE(says(parse_error(""), "line 1, column 1: expected `kernel`"));
  EXPECT_TRUE(says(parse_error("kernel rank=x"), "line 1, column 13: expected a number"));
  EXPECT_TRUE(says(parse_error("kernel rank=1 reduction=some"), "line 1, column 25: expected none, lanes, rows or tree"));
  EXPECT_TRUE(says(parse_error(header + "b1: f32 inner=zero reduced=zero"), "line 2, column 3: expected buffer 0"));
  EXPECT_TRUE(says(parse_error(header + "%0 = frob f32 %1"), "line 2, column 6: expected a primitive"));
  EXPECT_TRUE(says(parse_error(header + "%0 = const f8 1"), "line 2, column 12: expected a dtype"));
  EXPECT_TRUE(says(parse_error(header + "%0 = const u8 256"), "line 2, column 15: expected a number"));
  EXPECT_TRUE(says(parse_error(header + "%0 = add f32 %1 %2 %3 %4"), "line 2, column 23: expected the end of the line"));
}

TEST(Verifier, NamesTheOffendingNode) {
  struct Case {
    const char *body, *message;
  };
  // Each after a header of rank 2 over lanes, two buffers b0 (read) and b1 (written, non-varying), and %0 = load f32 b0.
  const Case cases[] = {
      {"%1 = add f32 %0 %1\nstore b1 %1", "node 1 has an operand that does not come before it"},
      {"%1 = add f32 %0\nstore b1 %1", "node 1 has a wrong number of operands"},
      {"%1 = add i32 %0 %0\nstore b1 %1", "node 1 has a dtype that its primitive does not give"},
      {"%1 = bit_and f32 %0 %0\nstore b1 %1", "node 1 has operands of a dtype that its primitive does not take"},
      {"%1 = cast f32 %0\nstore b1 %1", "node 1 casts a value to the dtype it has"},
      {"%1 = bitcast i64 %0\nstore b1 %1", "node 1 bitcasts between dtypes"},
      {"%1 = const i32 1\n%2 = mul f32 %0 %1\nstore b1 %2", "node 2 has operands of different dtypes"},
      {"%1 = select f32 %0 %0 %0\nstore b1 %1", "node 1 has a condition that is not bool"},
      {"%1 = scalar f32 s3\nstore b1 %1", "node 1 reads a scalar that is not there"},
      {"%1 = index i64 d2\nstore b1 %1", "node 1 reads the index of a dimension that is not there"},
      {"%1 = index i32 d0\nstore b1 %1", "node 1 is an index, but not i64"},
      {"%1 = load f32 b7\nstore b1 %1", "node 1 loads a buffer that is not there"},
      {"%1 = load i32 b0\nstore b1 %1", "node 1 has another dtype than its buffer"},
      {"%1 = load f32 b0 %0 %0\nstore b1 %1", "node 1 has a mask that is not bool"},
      {"%1 = reduce sub f32 %0\nstore b1 %1", "node 1 combines with a primitive that cannot"},
      {"%1 = const bool 0x2\nstore b1 %0", "node 1 is a bool other than 0 and 1"},
      {"store b1 %0", "does not vary along the reduced dimension, where its value does"},
      {"%1 = reduce add f32 %0\nstore b0 %1\nstore b1 %1", "that is not marked as written"},
      {"%1 = reduce add f32 %0\nstore b1 %1\nstore b1 %1", "buffer 1 is not stored to exactly as often"},
      {"%1 = reduce add f32 %0", "stores nothing"},
      {"store b1 %9", "names a buffer or a node that is not there"},
      {"%1 = reduce add f32 %0\n%2 = lt bool %1 %1\nstore b1 %2", "has another dtype than its value"},
  };
  const std::string header =
      "kernel rank=2 reduction=lanes clip=-1 scalars=1\nb0: f32 inner=contiguous reduced=contiguous\n"
      "b1: f32 inner=zero reduced=zero written\n%0 = load f32 b0\n";
  for (const Case& c : cases) EXPECT_TRUE(says(error_of(verify, parse(header + c.body)), c.message)) << c.body;
}

TEST(Verifier, ChecksTheHeader) {
  const auto with = [](auto change) {
    Kernel kernel = parse(kSoftmaxLike);
    change(kernel);
    return error_of(verify, kernel);
  };
  EXPECT_EQ("no error", with([](Kernel&) {}));
  EXPECT_TRUE(says(with([](Kernel& k) { k.rank = 0; }), "rank 0 is out of range"));
  EXPECT_TRUE(says(with([](Kernel& k) { k.rank = 9; }), "rank 9 is out of range"));
  EXPECT_TRUE(says(with([](Kernel& k) { k.clip = 1; }), "is not before the reduced dimension"));
  EXPECT_TRUE(says(with([](Kernel& k) { k.reduction = Reduction::none; }), "varies along a reduced dimension, but none is"));
  EXPECT_TRUE(says(with([](Kernel& k) { k.buffers[0].inner = Stride::any; }), "two strides along the last dimension"));
  EXPECT_TRUE(says(with([](Kernel& k) { k.nodes[0].bits = 1; }), "node 0 has bits it does not use"));
}

// In place, x may be overwritten in the last pass that reads it, not earlier: the passes read it again.
TEST(Verifier, ForbidsStoresThatALaterPassWouldRead) {
  const auto kernel = [](const char* stores) {
    return parse(std::string("kernel rank=1 reduction=lanes clip=-1 scalars=0\nb0: f32 inner=contiguous reduced=contiguous written\n"
                             "b1: f32 inner=contiguous reduced=contiguous written\n%0 = load f32 b0\n%1 = reduce add f32 %0\n"
                             "%2 = neg f32 %0\n%3 = sub f32 %0 %1\n") +
                 stores);
  };
  verify(kernel("store b0 %3\nstore b1 %2"));
  EXPECT_TRUE(says(error_of(verify, kernel("store b0 %2\nstore b1 %3")), "node 0 loads a buffer in a later pass than the store to it"));
}

TEST(Schedule, SoftmaxTakesThreePasses) {
  const Schedule s = schedule(parse(kSoftmaxLike));
  ASSERT_EQ(3, s.passes);
  EXPECT_EQ((Ids{0}), s.steps[0].loop);
  EXPECT_EQ((Ids{1}), s.steps[0].reduces);
  EXPECT_EQ((Ids{0, 2}), s.steps[1].loop);  // %0 again: varying values are not kept
  EXPECT_EQ((Ids{8}), s.steps[1].once);
  EXPECT_EQ((Ids{1}), s.steps[1].stores_once);
  EXPECT_EQ((Ids{0, 2, 4, 6}), s.steps[2].loop);
  EXPECT_EQ((Ids{0}), s.steps[2].stores_loop);
  EXPECT_EQ(Ids{}, s.steps[2].reduces);
  EXPECT_TRUE(s.varying[6] && !s.varying[3] && !s.varying[8]);
}

TEST(Schedule, LeavesOutWhatNoStoreNeeds) {
  const Schedule s =
      schedule(parse("kernel rank=1 reduction=none clip=-1 scalars=0\nb0: f32 inner=contiguous reduced=zero\n"
                     "b1: f32 inner=contiguous reduced=zero written\n%0 = load f32 b0\n%1 = neg f32 %0\n%2 = abs f32 %0\nstore b1 %2"));
  EXPECT_EQ((Ids{0, 2}), s.steps[0].once);
  EXPECT_FALSE(s.steps[0].loops());
}

TEST(Blocks, FollowFromTheShapeAlone) {
  const auto blocks = [](Reduction reduction, std::vector<int64_t> extents) {
    Kernel kernel;
    kernel.rank = static_cast<uint8_t>(extents.size());
    kernel.reduction = reduction;
    return block_count(kernel, extents.data());
  };
  EXPECT_EQ(1, blocks(Reduction::none, {1}));
  EXPECT_EQ(1, blocks(Reduction::none, {4096}));
  EXPECT_EQ(2, blocks(Reduction::none, {4097}));
  EXPECT_EQ(15, blocks(Reduction::none, {5, 3, 10}));
  EXPECT_EQ(30, blocks(Reduction::none, {5, 3, 5000}));
  EXPECT_EQ(0, blocks(Reduction::none, {5, 0, 10}));
  EXPECT_EQ(0, blocks(Reduction::none, {5, 0}));
  EXPECT_EQ(15, blocks(Reduction::lanes, {5, 3, 100000}));
  EXPECT_EQ(15, blocks(Reduction::lanes, {5, 3, 0}));  // stores identities
  EXPECT_EQ(0, blocks(Reduction::tree, {0, 7}));
  EXPECT_EQ(10, blocks(Reduction::rows, {5, 3, 5000}));
  EXPECT_EQ(5, blocks(Reduction::rows, {5, 0, 50}));
  EXPECT_EQ(0, blocks(Reduction::rows, {5, 3, 0}));
}

TEST(Hash, SeesEveryField) {
  const Kernel kernel = parse(kSoftmaxLike);
  std::set<uint64_t> hashes{hash(kernel)};
  size_t changes = 1;
  const auto change = [&](auto f) {
    Kernel k = kernel;
    f(k);
    EXPECT_FALSE(k == kernel);
    hashes.insert(hash(k));
    ++changes;
  };
  change([](Kernel& k) { k.rank = 3; });
  change([](Kernel& k) { k.reduction = Reduction::tree; });
  change([](Kernel& k) { k.clip = 0; });
  change([](Kernel& k) { k.scalars = 2; });
  change([](Kernel& k) { k.buffers[0].dtype = DType::I32; });
  change([](Kernel& k) { k.buffers[0].written = true; });
  change([](Kernel& k) { k.buffers[0].gathered = true; });
  change([](Kernel& k) { k.buffers[0].inner = Stride::any; });
  change([](Kernel& k) { k.buffers[0].reduced = Stride::any; });
  change([](Kernel& k) { k.nodes[2].kind = NodeKind::load; });
  change([](Kernel& k) { k.nodes[2].prim = Prim::add; });
  change([](Kernel& k) { k.nodes[2].dtype = DType::F64; });
  change([](Kernel& k) { k.nodes[2].slot = 1; });
  for (int i = 0; i < 3; ++i) change([i](Kernel& k) { k.nodes[2].operands[i] = 7; });
  change([](Kernel& k) { k.nodes[5].bits ^= 1; });
  change([](Kernel& k) { k.stores[0].buffer = 2; });
  change([](Kernel& k) { k.stores[0].value = 4; });
  EXPECT_EQ(changes, hashes.size());
}

}  // namespace
}  // namespace kiln::codegen
