// item, to_vector, data: where a tensor's elements become C++'s.
#include <cstring>

#include "codegen/scalar_types.h"
#include "cpp/handle.h"
#include "eager/tape.h"
#include "tracer/front_end.h"

namespace kiln {

using detail::Access;
using eager::FlushReason;

namespace {

thread_local constinit const std::source_location* line = nullptr;

// The line of the C++ program that is being served; a front end for another language, loaded later, gives its own answers.
std::string source_location() {
  if (line == nullptr) return {};
  const std::string_view file = line->file_name();
  return std::string(file.substr(file.rfind('/') + 1)) + ":" + std::to_string(line->line());
}
[[maybe_unused]] const bool installed = [] {
  tracer::FrontEnd front_end;
  front_end.source_location = source_location;
  tracer::install_front_end(front_end);
  return true;
}();

eager::Tensor ready(const Tensor& handle, FlushReason reason, const std::source_location& where) {
  const detail::AtLine at(where);
  eager::Tensor t = Access::tensor(handle);
  eager::materialise(t, reason);
  return t;
}

template <class T>
T loaded(const std::byte* p) {
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

Number number_at(const std::byte* p, DType dtype) {
  if (is_complex(dtype)) fail(ErrorCode::type, "item() of a complex tensor: take real(x) or imag(x), or to_vector<std::complex<float>>()");
  return with_type(dtype, [p]<class T>(T) -> Number {
    if constexpr (kIsHalf<T>) return static_cast<float>(loaded<T>(p));
    else return loaded<T>(p);
  });
}

// Elements in row-major order, whatever their strides. Moves `to` behind what it wrote.
void copy_strided(const eager::Tensor& t, const std::byte* from, int axis, std::byte*& to) {
  const int64_t item = size_of(t.dtype());
  if (axis == 0 && t.is_contiguous()) {
    std::memcpy(to, from, t.numel() * item);
  } else if (axis == t.rank()) {
    std::memcpy(to, from, item);
    to += item;
  } else {
    for (int64_t i = 0; i < t.shape()[axis]; ++i) copy_strided(t, from + i * t.strides()[axis] * item, axis + 1, to);
  }
}

void check_dtype(const char* what, DType held, DType asked) {
  if (held != asked)
    fail(ErrorCode::type, std::string(what) + "() was asked for " + std::string(name_of(asked)) + " of a tensor of " +
                              std::string(name_of(held)) + ": use kiln::astype(x, dtype) to convert it");
}

}  // namespace

detail::AtLine::AtLine(const std::source_location& where) : before_(line) { line = &where; }
detail::AtLine::~AtLine() { line = before_; }

int64_t detail::integer_item(const Number& n, int64_t least, int64_t most) {
  if (n.kind() == Number::Kind::floating)
    fail(ErrorCode::type, "item() of a floating tensor needs a floating type, for an integer would lose its fraction");
  if (n.as_integer() < least || n.as_integer() > most)
    fail(ErrorCode::value, "item(): " + std::to_string(n.as_integer()) + " does not fit; it must be from " + std::to_string(least) +
                               " to " + std::to_string(most));
  return n.as_integer();
}

bool detail::boolean_item(const Number& n) {
  if (n.kind() != Number::Kind::boolean) fail(ErrorCode::type, "item<bool>() needs a tensor of bool: compare first, as in (x > 0)");
  return n.as_integer() != 0;
}

Number Tensor::element(const std::source_location& where) const {
  if (numel() != 1) fail(ErrorCode::value, "item() needs a tensor of one element, not one of shape " + to_string(shape()));
  const eager::Tensor t = ready(*this, FlushReason::item, where);
  return number_at(t.data(), t.dtype());
}

void Tensor::copy_to(void* values, DType asked, const std::source_location& where) const {
  check_dtype("to_vector", dtype(), asked);
  const eager::Tensor t = ready(*this, FlushReason::values, where);
  auto* to = static_cast<std::byte*>(values);
  if (t.numel() > 0) copy_strided(t, t.data(), 0, to);
}

const void* Tensor::bytes(DType asked, const std::source_location& where) const {
  check_dtype("data", dtype(), asked);
  return ready(*this, FlushReason::values, where).data();
}

void* Tensor::bytes_to_write(DType asked, const std::source_location& where) const {
  check_dtype("mutable_data", dtype(), asked);
  const detail::AtLine at(where);
  const eager::Tensor t = Access::tensor(*this);
  if (!t.storage().writable()) fail(ErrorCode::value, "mutable_data(): the tensor's memory is read-only");
  if (t.requires_grad() && eager::grad_enabled())
    fail(ErrorCode::runtime, "mutable_data(): writing into a tensor that requires grad would lose the gradient: use kiln::no_grad()");
  if (eager::Recorder* own = eager::current_recorder()) own->flush(FlushReason::foreign_write);  // it may read without having claimed
  return t.storage().data_for_write() + t.offset() * size_of(t.dtype());
}

}  // namespace kiln
