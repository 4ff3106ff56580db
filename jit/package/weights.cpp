#include "jit/package/weights.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "jit/package/json_writer.h"
#include "jit/package/zip.h"

namespace kiln::jit::package {
namespace {

constexpr uint64_t kLargest = uint64_t{1} << 47;  // what an address space holds
constexpr uint64_t kLength = 8;                   // bytes of the number before the header's table

constexpr std::array<std::string_view, kDTypeCount> kSafetensorsNames{"BOOL", "U8",  "U16",  "U32", "U64", "I8",  "I16", "I32",
                                                                      "I64",  "F16", "BF16", "F32", "F64", "C64", "C128"};
static_assert(kSafetensorsNames[static_cast<size_t>(DType::C64)] == "C64");

[[noreturn]] void too_large(const std::string& name) { fail(ErrorCode::value, "the state up to '" + name + "' is too large for a file"); }

}  // namespace

uint64_t StateType::bytes() const {
  auto n = static_cast<uint64_t>(size_of(dtype));
  for (int64_t extent : shape) {
    if (extent < 0) fail(ErrorCode::value, "the state entry '" + name + "' has a negative extent: " + to_string(shape));
    if (extent == 0) return 0;
  }
  for (int64_t extent : shape)
    if (__builtin_mul_overflow(n, static_cast<uint64_t>(extent), &n) || n > kLargest) too_large(name);
  return n;
}

WeightsLayout::WeightsLayout(const std::vector<StateType>& state) : state_(state), order_(state.size()), offsets_(state.size()) {
  std::iota(order_.begin(), order_.end(), 0);
  std::sort(order_.begin(), order_.end(),
            [&](uint32_t a, uint32_t b) { return std::pair(-size_of(state[a].dtype), a) < std::pair(-size_of(state[b].dtype), b); });
  for (uint32_t i : order_) {
    offsets_[i] = data_size_;
    data_size_ += state[i].bytes();
    if (data_size_ > kLargest) too_large(state[i].name);
  }
  uint64_t size = kLength + 2;  // and the outer brackets
  for (size_t i = 0; i < state.size(); ++i) size += line(i).size() + (i > 0 ? 1 : 0);
  header_size_ = (size + kMemberAlignment - 1) / kMemberAlignment * kMemberAlignment;
}

std::string WeightsLayout::line(size_t entry) const {
  const StateType& s = state_[entry];
  std::string text = json_string(s.name);
  text.append(":{\"dtype\":\"").append(kSafetensorsNames[static_cast<size_t>(s.dtype)]).append("\",\"shape\":[");
  for (int d = 0; d < s.shape.size(); ++d) text.append(d == 0 ? "" : ",").append(std::to_string(s.shape[d]));
  const uint64_t begin = offsets_[entry];
  text.append("],\"data_offsets\":[").append(std::to_string(begin)).append(",").append(std::to_string(begin + s.bytes())).append("]}");
  return text;
}

void WeightsLayout::pieces(const std::function<bool(std::string_view)>& each) const {
  std::string start;
  for (uint64_t i = 0; i < kLength; ++i) start += static_cast<char>((header_size_ - kLength) >> (8 * i));
  start += '{';
  uint64_t size = start.size();
  if (!each(start)) return;
  for (size_t at = 0; at < order_.size(); ++at) {
    const std::string piece = (at > 0 ? "," : "") + line(order_[at]);
    size += piece.size();
    if (!each(piece)) return;
  }
  each("}" + std::string(header_size_ - size - 1, ' '));
}

std::string WeightsLayout::header() const {
  std::string all;
  pieces([&](std::string_view piece) {
    all += piece;
    return true;
  });
  return all;
}

bool WeightsLayout::begins(std::string_view member) const {
  bool same = true;
  pieces([&](std::string_view piece) {
    same = member.starts_with(piece);
    if (same) member.remove_prefix(piece.size());
    return same;
  });
  return same;
}

}  // namespace kiln::jit::package
