// Dimensions from their text: 64, n, (n + 1), max(n, 3).
#include <cctype>
#include <charconv>

#include "tracer/dim.h"

namespace kiln::tracer {
namespace {

[[noreturn]] void bad(std::string_view rest, const char* expected) {
  fail(ErrorCode::value, std::string("a dimension's text: expected ") + expected + " at '" + std::string(rest.substr(0, 20)) + "'");
}

void skip(std::string_view& rest) {
  while (rest.starts_with(' ')) rest.remove_prefix(1);
}

bool accept(std::string_view& rest, std::string_view word) {
  skip(rest);
  if (!rest.starts_with(word)) return false;
  rest.remove_prefix(word.size());
  return true;
}

void require(std::string_view& rest, std::string_view word, const char* expected) {
  if (!accept(rest, word)) bad(rest, expected);
}

bool in_name(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

}  // namespace

Dim DimTable::parse(std::string_view& text) { return parse(text, 0); }

Dim DimTable::parse(std::string_view& rest, int depth) {
  if (depth > kMaxDimDepth) fail(ErrorCode::value, "a dimension's text is nested too deep");
  if (accept(rest, "max(")) {
    const Dim a = parse(rest, depth + 1);
    require(rest, ",", "','");
    const Dim b = parse(rest, depth + 1);
    require(rest, ")", "')'");
    return max(a, b);
  }
  if (accept(rest, "(")) {
    const Dim a = parse(rest, depth + 1);
    const char op = accept(rest, "//") ? '/' : accept(rest, "+") ? '+' : accept(rest, "*") ? '*' : accept(rest, "%") ? '%' : '?';
    if (op == '?') bad(rest, "one of + * // %");
    const Dim b = parse(rest, depth + 1);
    require(rest, ")", "')'");
    return op == '+' ? add(a, b) : op == '*' ? mul(a, b) : op == '/' ? floor_div(a, b) : mod(a, b);
  }
  skip(rest);
  size_t n = 0;
  while (n < rest.size() && in_name(rest[n])) ++n;
  if (n > 0 && std::isdigit(static_cast<unsigned char>(rest[0])) == 0) {
    const std::string name(rest.substr(0, n));
    rest.remove_prefix(n);
    return symbol(name);
  }
  int64_t value = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
  if (error != std::errc()) bad(rest, "a number or a name");
  rest.remove_prefix(static_cast<size_t>(end - rest.data()));
  return value;
}

}  // namespace kiln::tracer
