// Tensors as text: nested brackets, each number as short as it can be while reading it gives the same bits; the middle of long axes left out.
#include <charconv>
#include <cstring>
#include <ostream>

#include "codegen/scalar_types.h"
#include "cpp/handle.h"

namespace kiln {

using detail::Access;

namespace {

constexpr int64_t kWhole = 1000;  // elements of a tensor that is shown whole
constexpr int64_t kEdge = 3;      // else as many at either end of an axis

template <class T>
std::string shortest(T value) {
  char text[32];
  std::string s(text, std::to_chars(text, text + sizeof text, value).ptr);
  if (std::is_floating_point_v<T> && s.find_first_not_of("-0123456789") == std::string::npos) s += '.';
  return s;
}

std::string element(const std::byte* p, DType dtype) {
  if (is_complex(dtype)) {
    const std::string im = element(p + size_of(real_of(dtype)), real_of(dtype));
    return element(p, real_of(dtype)) + (im[0] == '-' ? "" : "+") + im + "j";
  }
  return with_type(dtype, [p]<class T>(T value) -> std::string {
    std::memcpy(&value, p, sizeof value);
    if constexpr (std::is_same_v<T, bool>) return value ? "true" : "false";
    else if constexpr (kIsHalf<T>) return shortest(static_cast<float>(value));
    else return shortest(value);
  });
}

void append(std::string& text, const eager::Tensor& t, const std::byte* p, int axis, bool shorten) {
  if (axis == t.rank()) {
    text += element(p, t.dtype());
    return;
  }
  const bool innermost = axis + 1 == t.rank();
  const std::string between = innermost ? ", " : ",\n" + std::string(std::string_view("tensor(").size() + axis + 1, ' ');
  const int64_t n = t.shape()[axis];
  text += '[';
  for (int64_t i = 0; i < n; ++i) {
    if (i > 0) text += between;
    if (shorten && n > 2 * kEdge && i == kEdge) {
      text += "..." + between;
      i = n - kEdge;
    }
    append(text, t, p + i * t.strides()[axis] * size_of(t.dtype()), axis + 1, shorten);
  }
  text += ']';
}

}  // namespace

std::string to_string(const Tensor& handle) {
  if (!handle.defined()) return "tensor()";
  const eager::Tensor t = Access::tensor(handle);
  eager::materialise(t, eager::FlushReason::repr);
  std::string text = "tensor(";
  if (t.numel() > 0) append(text, t, t.data(), 0, t.numel() > kWhole);
  else text += "[], shape=" + eager::to_string(t.shape());
  return text + ", dtype=" + std::string(name_of(t.dtype())) + (t.requires_grad() ? ", requires_grad=true)" : ")");
}

std::ostream& operator<<(std::ostream& out, const Tensor& t) { return out << to_string(t); }

}  // namespace kiln
