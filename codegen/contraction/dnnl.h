// oneDNN as this folder uses it: opened at run time through its C API, always single-threaded on the calling thread, with scratch
// memory of the caller's. Private to contraction/.
#pragma once

#include <oneapi/dnnl/dnnl.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>

#include "codegen/contraction/contraction.h"

namespace kiln::codegen::dnnl {

bool available();  // whether the library can be opened. If not, everything below throws Error{runtime}.
void require();    // throws that error, if there is reason to

struct DestroyMemoryDescriptor {
  void operator()(dnnl_memory_desc_t) const;
};
struct DestroyPrimitiveDescriptor {
  void operator()(dnnl_primitive_desc_t) const;
};
struct DestroyPrimitive {
  void operator()(dnnl_primitive_t) const;
};
using Descriptor = std::unique_ptr<dnnl_memory_desc, DestroyMemoryDescriptor>;  // shape and layout of an f32 array
using PrimitiveDescriptor = std::unique_ptr<dnnl_primitive_desc, DestroyPrimitiveDescriptor>;

Descriptor describe(std::initializer_list<int64_t> dims, dnnl_format_tag_t tag);
Descriptor describe_strided(std::initializer_list<int64_t> dims, std::initializer_list<int64_t> strides);
Descriptor describe_activation(std::array<int64_t, 4> nchw, Layout layout);
// The part of an array with these extents and first indices, both multiples of the layout's blocks; null where the layout has no such part.
Descriptor part_of(const_dnnl_memory_desc_t, std::array<int64_t, 4> extents, std::array<int64_t, 4> first);
int64_t offset(const_dnnl_memory_desc_t part);  // of its first element in the whole array, in elements
size_t bytes(const_dnnl_memory_desc_t);
bool same(const_dnnl_memory_desc_t, const_dnnl_memory_desc_t);

// Each is null where oneDNN has no implementation for these layouts. A null bias means none. Layouts may be dnnl_format_tag_any.
struct Geometry {
  std::array<int64_t, 2> stride, dilation, padding_before, padding_after;
};
PrimitiveDescriptor convolution(const_dnnl_memory_desc_t x, const_dnnl_memory_desc_t w, const_dnnl_memory_desc_t bias,
                                const_dnnl_memory_desc_t y, const Geometry&);
PrimitiveDescriptor convolution_data(const_dnnl_memory_desc_t dx, const_dnnl_memory_desc_t w, const_dnnl_memory_desc_t dy, const Geometry&);
PrimitiveDescriptor convolution_weights(const_dnnl_memory_desc_t x, const_dnnl_memory_desc_t dw, const_dnnl_memory_desc_t dbias,
                                        const_dnnl_memory_desc_t dy, const Geometry&);
PrimitiveDescriptor reorder(const_dnnl_memory_desc_t from, const_dnnl_memory_desc_t to);

// The layout that a descriptor chose for the operand with this DNNL_ARG_ number.
const_dnnl_memory_desc_t layout_of(const PrimitiveDescriptor&, int argument);
std::string implementation(const PrimitiveDescriptor&);

struct Argument {
  int index;  // DNNL_ARG_SRC and so on
  void* data;
};

// A compiled primitive. run() may be called from several threads at once, each with scratch of its own.
class Primitive {
 public:
  Primitive() = default;
  explicit Primitive(PrimitiveDescriptor);
  explicit operator bool() const { return primitive_ != nullptr; }
  const PrimitiveDescriptor& descriptor() const { return descriptor_; }
  size_t scratch_bytes() const { return scratch_bytes_; }
  void run(std::span<const Argument> arguments, void* scratch) const;

 private:
  PrimitiveDescriptor descriptor_;
  std::unique_ptr<dnnl_primitive, DestroyPrimitive> primitive_;
  size_t scratch_bytes_ = 0;
};

}  // namespace kiln::codegen::dnnl
