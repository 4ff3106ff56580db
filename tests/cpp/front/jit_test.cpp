// kiln::jit computes what the plain function computes: values, writes, draws, exceptions; any arguments and results; on any thread.
#include <stdexcept>
#include <thread>
#include <tuple>
#include <utility>

#include "expect.h"

namespace kiln::testing {
namespace {

Tensor numbers(const Shape& shape) {
  manual_seed(1);
  return random_normal(shape);
}

Tensor gelu(const Tensor& x) { return 0.5 * x * (1 + tanh(0.7978845608 * (x + 0.044715 * x * x * x))); }

TEST(Jit, GivesThePlainFunctionsBitsOnEveryBackEnd) {
  const Tensor x = numbers({1000});
  for (const char* backend : {"auto", "interpreter", "asmjit", "llvm"}) {
    const auto fast = jit(gelu, {.backend = backend});
    EXPECT_TRUE(same_bits(fast(x), gelu(x))) << backend;
  }
  expect_error(ErrorCode::value, "not 'fortran'", [] { return jit(gelu, {.backend = "fortran"}); });
}

TEST(Jit, FusesAndTells) {
  const auto fast = jit(gelu, {.name = "gelu"});
  fast(numbers({1000}));
  EXPECT_NE(fast.explain().find("gelu: 1 calls, 1 traces"), std::string::npos) << fast.explain();
  EXPECT_NE(fast.explain().find("9 operators in 1 kernels"), std::string::npos) << fast.explain();
  EXPECT_NE(fast.as_text("graph").find("tanh"), std::string::npos);
  EXPECT_NE(jit(gelu).explain().find("function at jit_test.cpp:"), std::string::npos);
  expect_error(ErrorCode::value, "kernels", [&] { return fast.as_text("fortran"); });
}

TEST(Jit, TakesAndGivesAnything) {
  const Tensor x = numbers({3, 4});
  const auto pair =
      jit([](const Tensor& a, int times, const std::string& how) { return std::tuple(a * times, how == "sum" ? sum(a) : mean(a), times); });
  const auto [y, s, n] = pair(x, 3, "sum");
  EXPECT_TRUE(same_bits(y, x * 3));
  EXPECT_TRUE(same_bits(s, sum(x)));
  EXPECT_EQ(n, 3);
  const auto many = jit([](std::vector<Tensor> list) {
    for (Tensor& t : list) t = t + 1;
    return list;
  });
  EXPECT_TRUE(same_bits(many(std::vector<Tensor>{x, x * 2})[1], x * 2 + 1));
  int calls = 0;
  jit([&] { ++calls; })();
  auto counting = jit([calls = 0](const Tensor& t) mutable { return t + ++calls; });
  counting(x);
  EXPECT_TRUE(same_bits(counting(x), x + 2));
  EXPECT_EQ(calls, 1);
  Tensor kept;
  const auto reference = jit([&]() -> Tensor& { return kept = x + 1; });
  EXPECT_EQ(&reference(), &kept);
}

TEST(Jit, KeepsWritesAndDraws) {
  const auto step = [](Tensor& state) {
    state += random_normal(state.shape());
    state[0].assign(0);
    return state.size(0) > 2 ? state * 2 : state;
  };
  Tensor eager = numbers({5}), fast = copy(eager);
  manual_seed(3);
  const Tensor expected = step(eager);
  manual_seed(3);
  EXPECT_TRUE(same_bits(jit(step)(fast), expected));
  EXPECT_TRUE(same_bits(fast, eager));
}

// A segment like the one before takes its results' types from there. Whatever differs from it, and wherever, must be seen.
TEST(Jit, SeesWhereACallDiffersFromTheOneBefore) {
  struct Way {
    int branch = 0;
    bool writes = false, reduces = false, same = false;
    Number number = 0.5;
  };
  const auto body = [](const Tensor& a, const Tensor& b, const Way& way) {
    Tensor t = a * b + way.number;
    if (way.reduces) t = t - mean(t, -1, true);
    if (way.writes) t[0].assign(1);
    t = way.branch == 0 ? relu(t) : way.branch == 1 ? -t : t * t;
    return (way.same ? t * t : t * a) - b;
  };
  const auto fast = jit(body);
  const Tensor x = numbers({6, 4}), y = numbers({6, 4}) + 1, wide = astype(x, DType::F64), row = numbers({4});
  const auto check = [&](const Tensor& a, const Tensor& b, const Way& way, const char* what) {
    EXPECT_TRUE(same_bits(fast(a, b, way), body(a, b, way))) << what;
  };
  const std::pair<const char*, Way> ways[] = {{"as it was", {}},
                                              {"another operator", {.branch = 1}},
                                              {"other operands", {.branch = 2}},
                                              {"the same operand twice", {.same = true}},
                                              {"a write between", {.writes = true}},
                                              {"a reduction between", {.reduces = true}},
                                              {"an integer for a float", {.number = 2}},
                                              {"another number", {.number = 7.5}}};
  for (const auto& [what, way] : ways)
    for (const auto& [other, then] : ways) {
      for (int i = 0; i < 2; ++i) check(x, y, way, what);
      check(x, y, then, other);
      check(x, wide, then, "another dtype");
      check(x, y, way, what);
      check(x, row, then, "another shape");
      check(x, x, way, "one tensor for two");
      check(x[Slice{0, 6, 2}], y[Slice{0, 6, 2}], then, "strides");
      check(x, y, way, what);
      check(copy(x), y, way, "memory of its own");
    }
  const auto whole = jit([](const Tensor& t) { return (t + 0.5) * 2 - t / 3; });
  const auto plain = [](const Tensor& t) { return (t + 0.5) * 2 - t / 3; };
  const Tensor counts = arange(5);
  for (const DType dtype : {DType::F32, DType::F64, DType::F32}) {
    set_default_dtype(dtype);
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(same_bits(whole(counts), plain(counts)));
  }
}

TEST(Jit, SeesADefaultDtypeThatChangesOnTheWay) {
  const auto body = [](const Tensor& counts, bool doubles) {
    const Tensor first = counts / 3;
    if (doubles) set_default_dtype(DType::F64);
    const Tensor second = counts / 7;
    set_default_dtype(DType::F32);
    return std::pair(first, second);
  };
  const auto fast = jit(body);
  const Tensor counts = arange(5);
  for (const bool doubles : {true, true, false, false, true, false}) {
    const auto [a, b] = fast(counts, doubles);
    const auto [x, y] = body(counts, doubles);
    EXPECT_EQ(a.dtype(), x.dtype());
    EXPECT_EQ(b.dtype(), y.dtype()) << doubles;
  }
}

TEST(Jit, LetsExceptionsThrough) {
  Tensor seen;
  const auto f = jit([&](const Tensor& x, bool fails) {
    seen = x + 1;
    if (fails) throw std::runtime_error("the function's own");
    return x + ones({2, 3});
  });
  const Tensor x = numbers({4});
  EXPECT_THROW(f(x, true), std::runtime_error);
  EXPECT_TRUE(same_bits(seen, x + 1));
  expect_error(ErrorCode::value, "shapes (4,) and (2, 3)", [&] { f(x, false); });
  EXPECT_TRUE(same_bits(jit(gelu)(x), gelu(x))) << "nothing of the failed calls is left over";
}

TEST(Jit, NamesTheLineThatNeedsAValue) {
  const auto f = jit([](const Tensor& x) { return sum(x).item<float>() > 0 ? x * 2 : x; });
  f(ones(3));
  EXPECT_NE(f.explain().find("ended early 1 times at jit_test.cpp:" + std::to_string(__LINE__ - 2) + ": item()"), std::string::npos)
      << f.explain();
  const auto whole = jit([](const Tensor& x) { return sum(x * 2).to_vector<float>(); }, {.fullgraph = true});
  expect_error(ErrorCode::runtime, "jit_test.cpp:" + std::to_string(__LINE__ - 1), [&] { whole(ones(3)); });
}

TEST(Jit, SeesMemoryThatIsWrittenBehindItsBack) {
  float memory[2] = {1, 2};
  const Tensor shared = from_blob(memory, 2);
  const Tensor own = ones(2);
  const auto f = jit([&] {
    const Tensor before = shared + 1, also_before = own + 1;
    memory[0] = 10;
    own.mutable_data<float>()[0] = 10;
    return std::tuple(before, shared + 1, also_before, own + 1);
  });
  const auto [before, after, also_before, also_after] = f();
  EXPECT_EQ(before.to_vector<float>(), (std::vector<float>{2, 3}));
  EXPECT_EQ(after.to_vector<float>(), (std::vector<float>{11, 3}));
  EXPECT_EQ(also_before.to_vector<float>(), (std::vector<float>{2, 2}));
  EXPECT_EQ(also_after.to_vector<float>(), (std::vector<float>{11, 2}));
}

TEST(Jit, NestsAndServesThreads) {
  const auto inner = jit(gelu);
  const auto outer = jit([&](const Tensor& x) { return sum(inner(x) * 2, -1); });
  std::vector<Tensor> inputs, found(4);
  for (int i = 0; i < 4; ++i) inputs.push_back(numbers({20, 30 + i}));
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&, i] {
        for (int k = 0; k < 20; ++k) found[i] = outer(inputs[i]);
      });
  }
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(same_bits(found[i], sum(gelu(inputs[i]) * 2, -1)));
}

}  // namespace
}  // namespace kiln::testing
