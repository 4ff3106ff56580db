// JSON text, a value at a time.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace kiln::jit::package {

std::string json_string(std::string_view);  // in quotes; Error{value} unless it is UTF-8

class JsonWriter {
 public:
  void open(char bracket);   // '{' or '['
  void close(char bracket);  // '}' or ']'
  void key(std::string_view);
  void line() { line_ = true; }  // the next value, or closing bracket, begins a line
  void text(std::string_view);
  void integer(int64_t);
  void floating(
      double);  // 2.0; what JSON has no number for is {"float": "inf"}, "-inf", "nan", or "nan:" and the 16 hex digits of another NaN
  void word(std::string_view);  // true, false, null
  void integers(std::span<const int64_t>);

  const std::string& str() const { return out_; }

 private:
  void comma();
  std::string out_;
  bool first_ = true;  // nothing stands before the next value in its brackets
  bool after_key_ = false, line_ = false;
};

}  // namespace kiln::jit::package
