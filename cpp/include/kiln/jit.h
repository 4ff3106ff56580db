// kiln::jit(f): f, made fast. The operators it calls are written down instead of run, and run fused and compiled when it returns or when
// something needs a value (item, data, to_vector, printing). Everything else in f runs as written, so nothing can be stale and nothing is
// unsupported: arguments and results are of any type and number, and values, exceptions, writes in place and random draws are f's own.
#pragma once

#include <cstddef>
#include <memory>
#include <source_location>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace kiln {

struct JitOptions {
  std::string_view name = {};         // in explain(); else the line that calls jit
  std::string_view backend = "auto";  // or "interpreter", "asmjit", "llvm" for all of the function's kernels; results do not change
  bool fullgraph = false;             // an operator that needs a value before f's end is Error{runtime}
};

namespace detail {
class CapturedFunction;  // what is known of f: its programs, why they ended, what they cost

// One call of a captured function on this thread. What is pending runs at end(), which throws what that throws; without it (an exception
// leaves f) at the latest when somebody asks for a value.
class CapturedCall {
 public:
  explicit CapturedCall(CapturedFunction&);
  ~CapturedCall();
  void end();
  CapturedCall(const CapturedCall&) = delete;

 private:
  struct Scopes;
  Scopes* scopes_;  // in place; none where capturing is switched off
  alignas(void*) std::byte place_[4 * sizeof(void*)];
};

std::shared_ptr<CapturedFunction> captured(const JitOptions&, const std::source_location&);
std::string explain(const CapturedFunction&);
std::string lowered(const CapturedFunction&, std::string_view form);
void clear(CapturedFunction&);
}  // namespace detail

// What jit gives: callable as f is, from several threads at once where f is. Copies share what they know.
template <class F>
class Jitted {
 public:
  Jitted(F f, const JitOptions& options, const std::source_location& where)
      : f_(std::move(f)), captured_(detail::captured(options, where)) {}

  template <class... A>
    requires std::is_invocable_v<const F&, A...>
  decltype(auto) operator()(A&&... arguments) const {
    return run(f_, std::forward<A>(arguments)...);
  }
  template <class... A>
    requires(!std::is_invocable_v<const F&, A...> && std::is_invocable_v<F&, A...>)
  decltype(auto) operator()(A&&... arguments) {  // a mutable lambda
    return run(f_, std::forward<A>(arguments)...);
  }

  // For people: each trace with its kernels, each early end with its line, and what compiling cost.
  std::string explain() const { return detail::explain(*captured_); }
  // The programs that f has run, as "graph", "kernels", "asm" or "llvm"; Error{value} for anything else.
  std::string as_text(std::string_view form = "graph") const { return detail::lowered(*captured_, form); }
  void cache_clear() { detail::clear(*captured_); }  // forgets f's traces and all compiled programs

 private:
  template <class Callable, class... A>
  decltype(auto) run(Callable& f, A&&... arguments) const {
    detail::CapturedCall call(*captured_);
    if constexpr (std::is_void_v<std::invoke_result_t<Callable&, A...>>) {
      f(std::forward<A>(arguments)...);
      call.end();
    } else {
      decltype(auto) result = f(std::forward<A>(arguments)...);  // alive at the end, so it is among what the program computes
      call.end();
      return result;
    }
  }

  F f_;
  std::shared_ptr<detail::CapturedFunction> captured_;
};

template <class F>
Jitted<std::decay_t<F>> jit(F&& f, const JitOptions& options = {}, std::source_location where = std::source_location::current()) {
  return {std::forward<F>(f), options, where};
}

}  // namespace kiln
