// JSON as RFC 8259 has it: what is written reads as it was, and what is no JSON is refused.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "jit/package/json_reader.h"
#include "jit/package/json_writer.h"

namespace kiln::jit::package {
namespace {

// Reads one value of `text` and its end.
template <class F>
auto read(const std::string& text, const F& value) {
  Budget budget(10'000);
  JsonReader json(text, budget);
  auto result = value(json);
  json.end();
  return result;
}
std::string read_text(const std::string& text) {
  return read(text, [](JsonReader& j) { return j.text(); });
}
double read_floating(const std::string& text) {
  return read(text, [](JsonReader& j) { return j.floating(); });
}
int64_t read_integer(const std::string& text) {
  return read(text, [](JsonReader& j) { return j.integer(); });
}
std::vector<int64_t> read_list(const std::string& text) {
  return read(text, [](JsonReader& j) {
    std::vector<int64_t> all;
    j.list(all, [&](int64_t& v) { v = j.integer(); });
    return all;
  });
}
template <class F>
std::string message(const F& f) {
  try {
    f();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::value);
    return e.what();
  }
  return "nothing";
}

TEST(Json, NumbersComeBackToTheBit) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (const double v : {0.0, -0.0, 1.0, -2.5, 0.1, 1e22, 1e300, 5e-324, 1.7976931348623157e308, kInfinity, -kInfinity, std::nan(""),
                         -std::nan(""), std::bit_cast<double>(uint64_t{0x7ff0'0000'0000'0001})}) {
    JsonWriter json;
    json.floating(v);
    EXPECT_EQ(std::bit_cast<uint64_t>(read_floating(json.str())), std::bit_cast<uint64_t>(v)) << json.str();
  }
  for (const int64_t v : {int64_t{0}, int64_t{-1}, std::numeric_limits<int64_t>::max(), std::numeric_limits<int64_t>::min()})
    EXPECT_EQ(read_integer(std::to_string(v)), v);
}

TEST(Json, WholeFloatsAreWrittenAsFloats) {
  JsonWriter json;
  json.open('[');
  for (const double v : {2.0, 1e22, -0.0, 0.25}) json.floating(v);
  json.close(']');
  EXPECT_EQ(json.str(), "[2.0, 1e+22, -0.0, 0.25]");
}

TEST(Json, TextComesBack) {
  for (const std::string& s : {std::string(), std::string("plain"), std::string("\0\x1f\x7f", 3), std::string("\"\\/\b\f\n\r\t"),
                               std::string("é € \xf0\x9f\x94\xa5 \xf4\x8f\xbf\xbf")})
    EXPECT_EQ(read_text(json_string(s)), s);
  EXPECT_EQ(read_text(R"("\u0041\u00e9\u20ac\ud83d\udd25\/\b\f\n\r\t\"\\")"), "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x94\xa5/\b\f\n\r\t\"\\");
}

TEST(Json, OnlyUtf8IsText) {
  for (const char* s : {"\xff", "\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80", "\xf4\x90\x80\x80",
                        "\xf5\x80\x80\x80", "\xc3", "\xe2\x82", "\xe2\x28\xa1"}) {
    EXPECT_NE(message([&] { json_string(s); }), "nothing") << s;
    EXPECT_NE(message([&] { read_text('"' + std::string(s) + '"'); }).find("not valid UTF-8"), std::string::npos) << s;
  }
}

TEST(Json, WhatIsNoJsonIsRefused) {
  for (const char* s : {"", "\"", "\"\\\"", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\ud800\"", "\"\\ud800\\u0041\"", "\"\\udc00\"",
                        "\"\n\"", "x", "\"a\" b", "'a'"})
    EXPECT_NE(message([&] { read_text(s); }), "nothing") << s;
  for (const char* s :
       {"", "-", "+1", "01", "-01", "1.", ".5", "1e", "1e+", "0x10", "NaN", "Infinity", "1e999", "{\"float\": \"infinity\"}",
        "{\"float\": \"nan:0000000000000000\"}", "{\"float\": \"nan:7ff8\"}", "{\"double\": \"inf\"}", "{\"float\": \"inf\"", "1 2"})
    EXPECT_NE(message([&] { read_floating(s); }), "nothing") << s;
  for (const char* s : {"9223372036854775808", "-9223372036854775809", "1.0", "1e3", "true"})
    EXPECT_NE(message([&] { read_integer(s); }), "nothing") << s;
  for (const char* s : {"[", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "[1,,2]", "[1}", "1]", "[1]]", "[[1]]", "{}"})
    EXPECT_NE(message([&] { read_list(s); }), "nothing") << s;
  EXPECT_NE(message([] { read("tru", [](JsonReader& j) { return j.boolean(); }); }), "nothing");
  EXPECT_NE(message([] { read("nul", [](JsonReader& j) { return j.null(), 0; }); }), "nothing");
}

TEST(Json, ListsAndSpaces) {
  EXPECT_EQ(read_list("[]"), std::vector<int64_t>());
  EXPECT_EQ(read_list(" [ \n] \t"), std::vector<int64_t>());
  EXPECT_EQ(read_list("\r[1 ,\n-2, 3]\n"), (std::vector<int64_t>{1, -2, 3}));
}

TEST(Json, KeysStandInOrder) {
  const auto keys = [](const std::string& text) {
    return message([&] {
      read(text, [](JsonReader& j) {
        j.open('{');
        j.key("a");
        j.integer();
        j.key("b");
        j.null();
        j.close('}');
        return 0;
      });
    });
  };
  EXPECT_EQ(keys(R"({"a": 1, "b": null})"), "nothing");
  EXPECT_EQ(keys(R"({"b": null, "a": 1})"), "byte 1: expected the key \"a\"");
  EXPECT_EQ(keys(R"({"a": 1, "b": null, "c": 2})"), "byte 18: expected '}'");
  EXPECT_EQ(keys(R"({"a" 1, "b": null})"), "byte 5: expected ':'");
  EXPECT_EQ(keys(R"({"a": 1 "b": null})"), "byte 8: expected ','");
}

TEST(Json, WhatIsKeptIsCharged) {
  const std::string text = '"' + std::string(9'990, 'x') + "\", 1";
  EXPECT_NE(message([&] {
              read('[' + text + ", " + text + ']', [](JsonReader& j) {
                j.open('[');
                return j.text() + j.text();
              });
            }).find("expected"),
            std::string::npos);
  EXPECT_NE(message([&] { read_text('"' + std::string(10'000, 'x') + '"'); }).find("more memory than a file of its size"),
            std::string::npos);
  EXPECT_NE(message([] { read_list("[" + std::string(1'300, ',')); }).find("more memory"), std::string::npos);
}

}  // namespace
}  // namespace kiln::jit::package
