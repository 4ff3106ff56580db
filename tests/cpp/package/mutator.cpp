#include "tests/cpp/package/mutator.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "tests/cpp/package/packages.h"

namespace kiln::testing {
namespace {

using fuzz::Random;

size_t place(Random& random, size_t size) { return static_cast<size_t>(random.between(0, static_cast<int64_t>(size) - 1)); }

// ---- bytes ------------------------------------------------------------------------------------------------------------

void mutate_bytes(Random& random, std::string& bytes, const std::string& other) {
  if (bytes.empty()) {
    bytes = other.substr(0, 1);
    return;
  }
  const size_t at = place(random, bytes.size());
  const auto length = static_cast<size_t>(random.between(1, random.chance(0.7) ? 8 : 200));
  switch (random.between(0, 5)) {
    case 0: bytes[at] = static_cast<char>(bytes[at] ^ 1 << random.between(0, 7)); break;
    case 1: bytes[at] = static_cast<char>(random.bits()); break;
    case 2: bytes.resize(at); break;
    case 3: bytes.erase(at, length); break;
    case 4: bytes.insert(at, bytes.substr(place(random, bytes.size()), length)); break;
    default: bytes.replace(at, length, other.substr(place(random, other.size()), length)); break;
  }
}

// ---- JSON -------------------------------------------------------------------------------------------------------------

// Strings, numbers and words whole; everything else a character each.
std::vector<std::string> tokens(const std::string& text) {
  std::vector<std::string> all;
  for (size_t i = 0; i < text.size();) {
    size_t end = i + 1;
    if (text[i] == '"') {
      while (end < text.size() && text[end] != '"') end += text[end] == '\\' ? 2 : 1;
      end = std::min(end + 1, text.size());
    } else if (std::isalnum(static_cast<unsigned char>(text[i])) != 0 || text[i] == '-') {
      while (end < text.size() && (std::isalnum(static_cast<unsigned char>(text[end])) != 0 ||
                                   std::string_view("+-.").find(text[end]) != std::string_view::npos))
        ++end;
    }
    all.push_back(text.substr(i, end - i));
    i = end;
  }
  std::erase_if(all, [](const std::string& t) { return t == " " || t == "\n"; });
  return all;
}

std::string joined(const std::vector<std::string>& all) {
  std::string text;
  for (const std::string& t : all) text += t;
  return text;
}

bool is_number(const std::string& t) { return std::isdigit(static_cast<unsigned char>(t[0])) != 0 || t[0] == '-'; }

std::string another_number(Random& random, const std::string& old) {
  static constexpr std::array<const char*, 18> kNumbers{"0",
                                                        "1",
                                                        "-1",
                                                        "2",
                                                        "7",
                                                        "8",
                                                        "9",
                                                        "64",
                                                        "255",
                                                        "4294967295",
                                                        "4294967296",
                                                        "9223372036854775807",
                                                        "-9223372036854775808",
                                                        "9223372036854775808",
                                                        "-0",
                                                        "01",
                                                        "1e308",
                                                        "1e999"};
  if (random.chance(0.5)) return random.one_of(kNumbers);
  return std::to_string(static_cast<int64_t>(std::strtoull(old.c_str(), nullptr, 10) + static_cast<uint64_t>(random.between(-2, 2))));
}

// Of the same sort (a number for a number, a text for a text) where there is one, from this text or the other.
void replace_by_like(Random& random, std::vector<std::string>& all, const std::vector<std::string>& other, size_t at) {
  const auto& from = random.chance(0.7) ? all : other;
  for (int tries = 0; tries < 50; ++tries) {
    const std::string candidate = from[place(random, from.size())];
    if (candidate != all[at] && candidate[0] == all[at][0]) {
      all[at] = candidate;
      return;
    }
  }
}

// Another text that a reader knows.
std::string known_word(Random& random) {
  static constexpr std::array<const char*, 24> kWords{"bool",
                                                      "uint8",
                                                      "int32",
                                                      "float32",
                                                      "float64",
                                                      "call",
                                                      "in_place",
                                                      "write",
                                                      "operand",
                                                      "attribute",
                                                      "product",
                                                      "quotient",
                                                      "ratio",
                                                      "==",
                                                      "<",
                                                      "add",
                                                      "multiply",
                                                      "sum",
                                                      "batch",
                                                      "(batch * 4)",
                                                      "_",
                                                      "inf",
                                                      "nan:7ff8000000000001",
                                                      "\\ud83d\\udd25"};
  return '"' + std::string(random.one_of(kWords)) + '"';
}

// The end of the value that begins at a token.
size_t end_of_value(const std::vector<std::string>& all, size_t at) {
  int depth = 0;
  for (size_t i = at; i < all.size(); ++i) {
    depth += all[i] == "[" || all[i] == "{";
    depth -= all[i] == "]" || all[i] == "}";
    if (depth <= 0) return i + 1;
  }
  return all.size();
}

void mutate_json(Random& random, std::string& text, const std::string& other_text) {
  std::vector<std::string> all = tokens(text);
  const std::vector<std::string> other = tokens(other_text);
  if (all.empty() || other.empty()) return;
  const size_t at = place(random, all.size());
  const auto begin = all.begin() + static_cast<int64_t>(at), end = all.begin() + static_cast<int64_t>(end_of_value(all, at));
  switch (random.between(0, 7)) {
    case 0:
    case 1: {  // a number, wherever the next one is
      const auto number = std::find_if(begin, all.end(), is_number);
      if (number != all.end()) *number = another_number(random, *number);
      break;
    }
    case 2: replace_by_like(random, all, other, at); break;
    case 3: {
      const auto string = std::find_if(begin, all.end(), [](const std::string& t) { return t[0] == '"'; });
      if (string != all.end()) *string = known_word(random);
      break;
    }
    case 4: all.erase(begin, end); break;  // a value
    case 5: {                              // a value twice
      std::vector<std::string> copy(begin, end);
      copy.emplace_back(",");
      all.insert(begin, copy.begin(), copy.end());
      break;
    }
    case 6: {  // a value in the place of another
      const size_t from = place(random, all.size());
      const std::vector<std::string> copy(all.begin() + static_cast<int64_t>(from),
                                          all.begin() + static_cast<int64_t>(end_of_value(all, from)));
      all.insert(all.erase(begin, end), copy.begin(), copy.end());
      break;
    }
    default: {  // a value deep inside brackets, or many times
      const auto n = random.chance(0.5) ? random.between(1, 100) : random.between(1, 3000);
      const bool wide = random.chance(0.5);
      const std::string value = wide ? joined({begin, end}) : std::string();
      std::string added;
      for (int64_t i = 0; i < n && added.size() < 100'000; ++i) added += wide ? value + "," : "[";
      all.insert(begin, added);
    }
  }
  text = joined(all);
}

// ---- the archive ------------------------------------------------------------------------------------------------------

std::string mutate_members(Random& random, const Parts& parts) {
  static constexpr std::array<const char*, 8> kNames{"manifest.json",
                                                     "graph.json",
                                                     "weights.safetensors",
                                                     "a/b",
                                                     "",
                                                     "..",
                                                     "x\ny",
                                                     "weights.safetensorsweights.safetensorsweights.safetensorsweights.s"};
  std::vector<std::pair<std::string, std::string>> members{
      {"manifest.json", parts.manifest}, {"graph.json", parts.graph}, {"weights.safetensors", parts.weights}};
  auto& one = members[place(random, members.size())];
  switch (random.between(0, 4)) {
    case 0: one.first = random.one_of(kNames); break;
    case 1: std::swap(one, members[place(random, members.size())]); break;
    case 2: members.pop_back(); break;
    case 3: members.insert(members.end(), static_cast<size_t>(random.between(1, 70)), {random.one_of(kNames), "content"}); break;
    default: one.second = members[place(random, members.size())].second;
  }
  return put_together(members);
}

// A field of the directory at the file's end, of whichever width.
void mutate_directory(Random& random, std::string& file) {
  const size_t directory = file.rfind("PK\1\2manifest") == std::string::npos ? file.find("PK\1\2") : 0;
  const size_t at = directory + place(random, file.size() - directory);
  const auto width = static_cast<size_t>(1 << random.between(0, 3));
  const uint64_t value = random.chance(0.5) ? random.bits() : static_cast<uint64_t>(random.between(-2, 300));
  for (size_t i = 0; i < width && at + i < file.size(); ++i) file[at + i] = static_cast<char>(value >> (8 * i));
}

}  // namespace

std::string Mutator::operator()(uint64_t seed) const {
  Random random(seed);
  std::string file = random.one_of(files_);
  const std::string& other = random.one_of(files_);
  const int64_t depth = random.between(0, 19);
  if (depth < 2) {
    for (int64_t n = random.between(1, 3); n-- > 0;) mutate_bytes(random, file, other);
    return file;
  }
  if (depth < 4) {
    mutate_directory(random, file);
    return file;
  }
  Parts parts = take_apart(file);
  const Parts others = take_apart(other);
  if (depth == 4) return mutate_members(random, parts);
  if (depth == 5) {
    if (random.chance(0.5)) mutate_bytes(random, parts.manifest, others.manifest);
    else mutate_json(random, parts.manifest, others.manifest);
    return put_together({{"manifest.json", parts.manifest}, {"graph.json", parts.graph}, {"weights.safetensors", parts.weights}});
  }
  if (depth < 8) mutate_bytes(random, parts.weights, others.weights);
  else if (depth < 10) mutate_bytes(random, parts.graph, others.graph);
  for (int64_t n = random.between(1, 3); depth >= 10 && n-- > 0;) mutate_json(random, parts.graph, others.graph);
  return put_together(parts.graph, parts.weights);
}

}  // namespace kiln::testing
