#include <kiln/operand.h>
#include <kiln/shape.h>

#include <ostream>

#include "cpp/handle.h"

namespace kiln {

static_assert(Shape::kMaxRank == eager::kMaxRank);

void Shape::push_back(int64_t extent) {
  if (size_ == kMaxRank) fail(ErrorCode::value, "a tensor has at most " + std::to_string(kMaxRank) + " dimensions");
  values_[size_++] = extent;
}

int64_t Shape::numel() const { return eager::product(detail::dims(*this)); }
bool Shape::operator==(const Shape& other) const { return std::equal(begin(), end(), other.begin(), other.end()); }

std::string to_string(const Shape& s) { return eager::to_string(detail::dims(s)); }
std::ostream& operator<<(std::ostream& out, const Shape& s) { return out << to_string(s); }

int64_t detail::checked(uint64_t v) {
  if (v > INT64_MAX) fail(ErrorCode::value, std::to_string(v) + " is outside the range of int64 and cannot be an operand; use a double");
  return static_cast<int64_t>(v);
}

}  // namespace kiln
