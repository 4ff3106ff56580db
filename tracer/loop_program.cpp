#include "tracer/loop_program.h"

#include <chrono>
#include <cstring>

#include "codegen/half.h"
#include "codegen/mxcsr.h"
#include "codegen/scalar_types.h"
#include "tracer/front_end.h"
#include "tracer/loop_compiled.h"
#include "tracer/loop_run.h"

namespace kiln::tracer {
namespace {

using Clock = std::chrono::steady_clock;

// A loop that has run for so long gives up the front end's lock, and asks so often whether it was interrupted.
constexpr auto kWorthUnlocking = std::chrono::microseconds(50);
constexpr auto kBetweenQuestions = std::chrono::milliseconds(5);

}  // namespace

std::optional<LoopNumber> read_number(const std::byte* p, DType dtype) {
  if (is_complex(dtype)) return std::nullopt;
  return with_type(dtype, [p]<class T>(T value) -> std::optional<LoopNumber> {
    std::memcpy(&value, p, sizeof value);
    if constexpr (std::is_same_v<T, bool>) return LoopNumber::boolean(value);
    else if constexpr (std::is_floating_point_v<T>) return LoopNumber::floating(value);
    else if constexpr (kIsHalf<T>) return LoopNumber::floating(static_cast<float>(value));
    else if constexpr (std::is_same_v<T, uint64_t>)
      return value >> 63 ? std::nullopt : std::optional(LoopNumber::integer(static_cast<int64_t>(value)));
    else return LoopNumber::integer(value);
  });
}

bool number_into(eager::Scalar& scalar, const eager::Scalar& compiled_for, const LoopNumber& n) {
  const eager::Scalar now = n.kind == LoopNumber::Kind::floating ? eager::Scalar(n.f) : eager::Scalar(n.i);
  if (n.kind == LoopNumber::Kind::boolean || now.kind != compiled_for.kind) return false;
  scalar = now;
  return true;
}

eager::Ref<eager::Storage> copy_of(const std::byte* data, int64_t bytes) {
  auto made = eager::Storage::allocate(static_cast<size_t>(bytes));
  std::memcpy(made->raw(), data, static_cast<size_t>(bytes));
  return made;
}

void give_wanted(const LoopProgram& program, std::span<LoopProgram::Held> held,
                 const std::function<const std::byte*(LoopProgram::Register)>& data) {
  for (size_t n = 0; n < program.wanted.size(); ++n) {
    const auto& [r, bytes] = program.wanted[n];
    for (size_t m = 0; m < n && !held[r].storage; ++m)
      if (const auto other = program.wanted[m].number; data(other) == data(r)) held[r].storage = held[other].storage;
    if (!held[r].storage) held[r].storage = copy_of(data(r), bytes);
  }
}

bool in_bounds(const std::byte* p, DType dtype, int64_t count, int64_t first, int64_t last) {
  return with_type(dtype, [&]<class T>(T value) {
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
      for (int64_t n = 0; n < count; ++n) {
        std::memcpy(&value, p + n * static_cast<int64_t>(sizeof value), sizeof value);
        if (std::cmp_less(value, first) || std::cmp_greater(value, last)) return false;
      }
      return true;
    } else {
      return false;
    }
  });
}

void LoopProgram::shorten() {
  compiled_.loop = nullptr;
  compiled_.tried = false;
  const auto past = [&](int32_t at) {
    while (at >= 0 && steps[static_cast<size_t>(at)].kind == Step::Kind::pass && steps[static_cast<size_t>(at)].segment < 0)
      at = steps[static_cast<size_t>(at)].next;
    return at;
  };
  for (Step& s : steps) {
    s.next = past(s.next);
    s.otherwise = past(s.otherwise);
  }
}

std::string LoopProgram::text(std::string_view what) const { return compiled_.loop ? compiled_.loop->text(what) : std::string(); }

LoopProgram::End LoopProgram::run(std::span<Held> held, const std::function<bool()>& interrupted, int64_t* iterations) const {
  const codegen::DefaultMxcsr mxcsr;
  if (!std::exchange(compiled_.tried, true)) compiled_.loop = CompiledLoop::make(*this, held);
  std::unique_ptr<LoopRun> run = compiled_.loop ? compiled_run(*compiled_.loop, *this, held) : nullptr;
  if (run == nullptr) run = copying_run(*this, held);
  if (run == nullptr) run = moving_run(*this, held);
  std::optional<End> end;
  const auto start = Clock::now();
  do end = run->some_iterations();
  while (!end && Clock::now() - start < kWorthUnlocking);
  while (!end) {
    {
      const Unlocked unlocked;
      const auto since = Clock::now();
      while (!end && Clock::now() - since < kBetweenQuestions) end = run->some_iterations();
    }
    if (!end && interrupted()) end = End::interrupted;
  }
  run->give(held, *end);
  *iterations = run->iterations();
  return *end;
}

}  // namespace kiln::tracer
