// Reading KILN_* variables: one way to parse and one message when a value makes no sense.
#pragma once

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "codegen/error.h"

namespace kiln::codegen {

// The variable as an integer in [least, most]; nullopt where it is unset or empty. Throws Error{value} for anything else.
inline std::optional<int64_t> environment_integer(const char* name, int64_t least, int64_t most) {
  const char* text = std::getenv(name);
  if (text == nullptr || *text == '\0') return std::nullopt;
  const std::string_view view(text);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(view.data(), view.data() + view.size(), value);
  if (error != std::errc() || end != view.data() + view.size() || value < least || value > most)
    fail(ErrorCode::value,
         std::string(name) + " is '" + text + "', which is not an integer from " + std::to_string(least) + " to " + std::to_string(most));
  return value;
}

}  // namespace kiln::codegen
