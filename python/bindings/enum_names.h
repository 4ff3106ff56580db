// Names of an enumeration's values, from the declaration itself: tables of names need not be kept beside it.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>
#include <utility>

namespace kiln::python {

// The enumerator of a value, as it is spelled in its declaration. (GCC and Clang end the function's signature with "V = kiln::Enum::name".)
template <auto V>
consteval std::string_view enumerator_name() {
  const std::string_view signature = __PRETTY_FUNCTION__;
  const size_t value = signature.find("V = ") + 4;
  const size_t end = signature.find_first_of(";]", value);
  const size_t begin = signature.rfind(':', end) + 1;
  return signature.substr(begin, end - begin);
}

// The names of the enumerators 0 ... count - 1.
template <typename Enum, size_t count>
consteval std::array<std::string_view, count> enumerator_names() {
  return []<size_t... i>(std::index_sequence<i...>) {
    return std::array<std::string_view, count>{enumerator_name<static_cast<Enum>(i)>()...};
  }(std::make_index_sequence<count>{});
}

}  // namespace kiln::python
