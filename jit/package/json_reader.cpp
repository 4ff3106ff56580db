#include "jit/package/json_reader.h"

#include <bit>
#include <charconv>
#include <cmath>
#include <limits>

#include "jit/package/utf8.h"

namespace kiln::jit::package {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

void append_utf8(std::string& out, unsigned code) {
  const auto tail = [&](int shift) { out += static_cast<char>(0x80 | ((code >> shift) & 0x3f)); };
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xc0 | (code >> 6));
    tail(0);
  } else if (code < 0x10000) {
    out += static_cast<char>(0xe0 | (code >> 12));
    tail(6), tail(0);
  } else {
    out += static_cast<char>(0xf0 | (code >> 18));
    tail(12), tail(6), tail(0);
  }
}

}  // namespace

void JsonReader::bad(const std::string& what) const { fail(ErrorCode::value, "byte " + std::to_string(at_) + ": " + what); }

void JsonReader::skip() {
  while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t')) ++at_;
}

void JsonReader::element() {
  skip();
  if (!first_ && !in_value_) {
    if (at_ == text_.size() || text_[at_] != ',') bad("expected ','");
    ++at_;
    skip();
  }
  first_ = in_value_ = false;
  if (at_ == text_.size()) bad("the text ends too early");
}

void JsonReader::open(char bracket) {
  element();
  if (text_[at_] != bracket) bad(std::string("expected '") + bracket + "'");
  ++at_;
  first_ = true;
}

void JsonReader::close(char bracket) {
  skip();
  if (at_ == text_.size() || text_[at_] != bracket) bad(std::string("expected '") + bracket + "'");
  ++at_;
  first_ = false;
}

bool JsonReader::more(char bracket) {
  skip();
  return at_ < text_.size() && text_[at_] != bracket;
}

void JsonReader::end() {
  skip();
  if (at_ != text_.size()) bad("something follows the end of the text");
}

void JsonReader::key(std::string_view name) {
  const size_t before = at_;
  if (any_key() != name) {
    at_ = before;
    bad("expected the key \"" + std::string(name) + "\"");
  }
}

std::string JsonReader::any_key() {
  element();
  std::string name = quoted();
  skip();
  if (at_ == text_.size() || text_[at_] != ':') bad("expected ':'");
  ++at_;
  in_value_ = true;
  return name;
}

size_t JsonReader::count() const {
  size_t commas = 0, depth = 0;
  bool anything = false;
  for (size_t i = at_; i < text_.size(); ++i) {
    const char c = text_[i];
    if (c == '"') {
      for (++i; i < text_.size() && text_[i] != '"'; ++i) i += text_[i] == '\\';
    } else if (c == '[' || c == '{') {
      ++depth;
    } else if ((c == ']' || c == '}') && depth-- == 0) {
      break;
    }
    commas += c == ',' && depth == 0;
    anything |= c != ' ' && c != '\n' && c != '\r' && c != '\t';
  }
  return anything ? commas + 1 : 0;
}

// ---- values -----------------------------------------------------------------------------------------------------------

char JsonReader::peek() {
  const auto [at, first, in_value] = std::tuple(at_, first_, in_value_);
  element();
  const char c = text_[at_];
  at_ = at, first_ = first, in_value_ = in_value;
  return c == '-' || is_digit(c) ? '0' : c;
}

std::string JsonReader::text() {
  element();
  return quoted();
}

std::string JsonReader::quoted() {
  if (at_ == text_.size() || text_[at_] != '"') bad("expected a string");
  const size_t end = [&] {
    size_t i = at_ + 1;
    while (i < text_.size() && text_[i] != '"') i += text_[i] == '\\' ? 2 : 1;
    return i;
  }();
  if (end >= text_.size()) bad("a string without an end");
  const size_t length = end - at_ - 1;
  std::string out;
  if (length > out.capacity()) budget_.charge(length + 1);
  out.reserve(length);  // escapes only make it shorter
  for (++at_; at_ < end;) {
    if (text_[at_] == '\\') {
      ++at_;
      escape(out);
    } else {
      const size_t sequence = utf8_sequence(text_.substr(at_));
      if (sequence == 0) bad("a string is not valid UTF-8");
      if (static_cast<unsigned char>(text_[at_]) < 0x20) bad("a control character in a string");
      out += text_.substr(at_, sequence);
      at_ += sequence;
    }
  }
  ++at_;
  return out;
}

unsigned JsonReader::hex4() {
  unsigned code = 0;
  const char* const begin = text_.data() + at_;
  const size_t left = std::min<size_t>(4, text_.size() - at_);
  const auto [end, error] = std::from_chars(begin, begin + left, code, 16);
  if (error != std::errc() || end != begin + 4) bad("expected four hexadecimal digits");
  at_ += 4;
  return code;
}

void JsonReader::escape(std::string& out) {
  static constexpr std::string_view kLetters = "\"\\/bfnrt", kMeaning = "\"\\/\b\f\n\r\t";
  const char letter = text_[at_++];
  if (const size_t i = kLetters.find(letter); i != std::string_view::npos) {
    out += kMeaning[i];
    return;
  }
  if (letter != 'u') bad("an escape that JSON does not have");
  unsigned code = hex4();
  if (code >= 0xd800 && code < 0xdc00) {  // the first half of a pair
    if (!text_.substr(at_).starts_with("\\u")) bad("half of a surrogate pair");
    at_ += 2;
    const unsigned low = hex4();
    if (low < 0xdc00 || low > 0xdfff) bad("half of a surrogate pair");
    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
  } else if (code >= 0xdc00 && code < 0xe000) {
    bad("half of a surrogate pair");
  }
  append_utf8(out, code);
}

std::string_view JsonReader::number() {
  element();
  size_t i = at_;
  const auto digits = [&] {
    const size_t begin = i;
    while (i < text_.size() && is_digit(text_[i])) ++i;
    if (i == begin) bad("expected a number");
    return i - begin;
  };
  const auto accept = [&](std::string_view any) {
    const bool there = i < text_.size() && any.find(text_[i]) != std::string_view::npos;
    i += there;
    return there;
  };
  accept("-");
  const size_t whole = i;
  if (digits() > 1 && text_[whole] == '0') bad("a number with a leading zero");
  if (accept(".")) digits();
  if (accept("eE")) accept("+-"), digits();
  const std::string_view token = text_.substr(at_, i - at_);
  at_ = i;
  return token;
}

bool JsonReader::is_integer() {
  const auto [at, first, in_value] = std::tuple(at_, first_, in_value_);
  const bool integer = number().find_first_of(".eE") == std::string_view::npos;
  at_ = at, first_ = first, in_value_ = in_value;
  return integer;
}

int64_t JsonReader::integer() {
  const std::string_view token = number();
  int64_t value = 0;
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), value);
  if (error != std::errc() || end != token.data() + token.size()) bad("expected an integer of 64 bits");
  return value;
}

double JsonReader::named_floating() {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const std::string name = text();
  if (name == "inf") return kInfinity;
  if (name == "-inf") return -kInfinity;
  if (name == "nan") return std::bit_cast<double>(uint64_t{0x7ff8'0000'0000'0000});
  uint64_t bits = 0;
  if (name.size() == 20 && name.starts_with("nan:")) {
    const auto [end, error] = std::from_chars(name.data() + 4, name.data() + 20, bits, 16);
    if (error == std::errc() && end == name.data() + 20 && std::isnan(std::bit_cast<double>(bits))) return std::bit_cast<double>(bits);
  }
  bad("expected \"inf\", \"-inf\", \"nan\", or \"nan:\" and the 16 hexadecimal digits of one");
}

double JsonReader::floating() {
  if (peek() == '{') {
    open('{');
    key("float");
    const double value = named_floating();
    close('}');
    return value;
  }
  const std::string_view token = number();
  double value = 0;
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), value);
  if (error != std::errc() || end != token.data() + token.size()) bad("a number that no double holds");
  return value;
}

bool JsonReader::boolean() {
  element();
  for (const std::string_view word : {"true", "false"}) {
    if (!text_.substr(at_).starts_with(word)) continue;
    at_ += word.size();
    return word == "true";
  }
  bad("expected true or false");
}

void JsonReader::null() {
  element();
  if (!text_.substr(at_).starts_with("null")) bad("expected null");
  at_ += 4;
}

}  // namespace kiln::jit::package
