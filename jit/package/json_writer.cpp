#include "jit/package/json_writer.h"

#include <bit>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "codegen/error.h"
#include "jit/package/utf8.h"

namespace kiln::jit::package {

void JsonWriter::comma() {
  if (!first_ && !after_key_) out_ += line_ ? "," : ", ";
  if (line_) out_ += '\n';
  first_ = after_key_ = line_ = false;
}

void JsonWriter::open(char bracket) {
  comma();
  out_ += bracket;
  first_ = true;
}

void JsonWriter::close(char bracket) {
  if (line_) out_ += '\n';
  out_ += bracket;
  first_ = line_ = false;
}

void JsonWriter::key(std::string_view name) {
  comma();
  out_ += json_string(name);
  out_ += ": ";
  after_key_ = true;
}

void JsonWriter::text(std::string_view s) {
  comma();
  out_ += json_string(s);
}

std::string json_string(std::string_view s) {
  std::string out = "\"";
  for (size_t at = 0; at < s.size();) {
    const size_t length = utf8_sequence(s.substr(at));
    if (length == 0)
      fail(ErrorCode::value, "a name or text is not valid UTF-8: it begins '" + std::string(s.substr(0, std::min<size_t>(at, 40))) + "'");
    const char c = s[at];
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", c);
      out += escape;
    } else {
      out += s.substr(at, length);
    }
    at += length;
  }
  return out + '"';
}

void JsonWriter::integer(int64_t v) { word(std::to_string(v)); }

void JsonWriter::floating(double v) {
  if (std::isfinite(v)) {
    char digits[32];
    const auto [end, error] = std::to_chars(digits, digits + sizeof digits, v);
    std::string_view shortest(digits, static_cast<size_t>(end - digits));
    comma();
    out_ += shortest;
    if (shortest.find_first_of(".e") == std::string_view::npos) out_ += ".0";
    return;
  }
  const auto bits = std::bit_cast<uint64_t>(v);
  char other[24];
  std::snprintf(other, sizeof other, "nan:%016llx", static_cast<unsigned long long>(bits));
  open('{');
  key("float");
  text(std::isinf(v) ? (v < 0 ? "-inf" : "inf") : bits == 0x7ff8'0000'0000'0000 ? "nan" : other);
  close('}');
}

void JsonWriter::word(std::string_view s) {
  comma();
  out_ += s;
}

void JsonWriter::integers(std::span<const int64_t> values) {
  open('[');
  for (int64_t v : values) integer(v);
  close(']');
}

}  // namespace kiln::jit::package
