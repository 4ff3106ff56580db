#include "codegen/contraction/dnnl.h"

#include <dlfcn.h>

#include <mutex>
#include <type_traits>
#include <utility>

#include "codegen/backend.h"
#include "codegen/error.h"
#include "codegen/tunables.h"

namespace kiln::codegen {
namespace {

std::mutex path_mutex;
std::string& given_path() {
  static auto* path = new std::string;
  return *path;
}

}  // namespace

void set_dnnl_path(const std::string& path) {
  const std::lock_guard lock(path_mutex);
  given_path() = path;
}

namespace dnnl {
namespace {

constexpr size_t kMostArguments = 4;

// The functions in use, each under its name without "dnnl_".
struct Api {
  decltype(&dnnl_engine_create) engine_create;
  decltype(&dnnl_stream_create) stream_create;
  decltype(&dnnl_set_max_cpu_isa) set_max_cpu_isa;
  decltype(&dnnl_memory_desc_create_with_tag) memory_desc_create_with_tag;
  decltype(&dnnl_memory_desc_create_with_strides) memory_desc_create_with_strides;
  decltype(&dnnl_memory_desc_create_submemory) memory_desc_create_submemory;
  decltype(&dnnl_memory_desc_query) memory_desc_query;
  decltype(&dnnl_memory_desc_destroy) memory_desc_destroy;
  decltype(&dnnl_memory_desc_get_size) memory_desc_get_size;
  decltype(&dnnl_memory_desc_equal) memory_desc_equal;
  decltype(&dnnl_memory_create) memory_create;
  decltype(&dnnl_memory_destroy) memory_destroy;
  decltype(&dnnl_primitive_attr_create) primitive_attr_create;
  decltype(&dnnl_primitive_attr_set_scratchpad_mode) primitive_attr_set_scratchpad_mode;
  decltype(&dnnl_primitive_attr_set_fpmath_mode) primitive_attr_set_fpmath_mode;
  decltype(&dnnl_convolution_forward_primitive_desc_create) convolution_forward_primitive_desc_create;
  decltype(&dnnl_convolution_backward_data_primitive_desc_create) convolution_backward_data_primitive_desc_create;
  decltype(&dnnl_convolution_backward_weights_primitive_desc_create) convolution_backward_weights_primitive_desc_create;
  decltype(&dnnl_reorder_primitive_desc_create) reorder_primitive_desc_create;
  decltype(&dnnl_primitive_desc_query) primitive_desc_query;
  decltype(&dnnl_primitive_desc_query_md) primitive_desc_query_md;
  decltype(&dnnl_primitive_desc_destroy) primitive_desc_destroy;
  decltype(&dnnl_primitive_create) primitive_create;
  decltype(&dnnl_primitive_execute) primitive_execute;
  decltype(&dnnl_primitive_destroy) primitive_destroy;

  int (*omp_get_max_threads)();
  void (*omp_set_num_threads)(int);

  dnnl_engine_t engine = nullptr;
  dnnl_stream_t stream = nullptr;  // holds no state on a CPU without threads of its own, so all threads share it
  dnnl_primitive_attr_t attributes = nullptr;
};

void* open_library(std::string* why) {
  std::string candidates[3];
  candidates[0] = text(Tunable::dnnl);
  {
    const std::lock_guard lock(path_mutex);
    candidates[1] = given_path();
  }
  candidates[2] = "libdnnl.so.3";
  for (const std::string& path : candidates) {
    if (path.empty()) continue;
    // Local: torch and others bring symbols of the same names.
    if (void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
    *why += std::string(why->empty() ? "" : "; ") + dlerror();
  }
  return nullptr;
}

void require(dnnl_status_t status, const char* what) {
  if (status == dnnl_success) return;
  if (status == dnnl_out_of_memory) fail(ErrorCode::memory, std::string("out of memory: oneDNN could not ") + what);
  fail(ErrorCode::internal, std::string("oneDNN could not ") + what + " (status " + std::to_string(status) + ")");
}

Api load(void* library) {
  Api api{};
  const auto find = [&](auto& function, const char* name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
    if (function == nullptr)
      fail(ErrorCode::runtime, std::string("this oneDNN lacks ") + name + "; Kiln needs onednn-cpu-gomp 2023.2 (oneDNN 3.2)");
  };
  find(api.engine_create, "dnnl_engine_create");
  find(api.stream_create, "dnnl_stream_create");
  find(api.set_max_cpu_isa, "dnnl_set_max_cpu_isa");
  find(api.memory_desc_create_with_tag, "dnnl_memory_desc_create_with_tag");
  find(api.memory_desc_create_with_strides, "dnnl_memory_desc_create_with_strides");
  find(api.memory_desc_create_submemory, "dnnl_memory_desc_create_submemory");
  find(api.memory_desc_query, "dnnl_memory_desc_query");
  find(api.memory_desc_destroy, "dnnl_memory_desc_destroy");
  find(api.memory_desc_get_size, "dnnl_memory_desc_get_size");
  find(api.memory_desc_equal, "dnnl_memory_desc_equal");
  find(api.memory_create, "dnnl_memory_create");
  find(api.memory_destroy, "dnnl_memory_destroy");
  find(api.primitive_attr_create, "dnnl_primitive_attr_create");
  find(api.primitive_attr_set_scratchpad_mode, "dnnl_primitive_attr_set_scratchpad_mode");
  find(api.primitive_attr_set_fpmath_mode, "dnnl_primitive_attr_set_fpmath_mode");
  find(api.convolution_forward_primitive_desc_create, "dnnl_convolution_forward_primitive_desc_create");
  find(api.convolution_backward_data_primitive_desc_create, "dnnl_convolution_backward_data_primitive_desc_create");
  find(api.convolution_backward_weights_primitive_desc_create, "dnnl_convolution_backward_weights_primitive_desc_create");
  find(api.reorder_primitive_desc_create, "dnnl_reorder_primitive_desc_create");
  find(api.primitive_desc_query, "dnnl_primitive_desc_query");
  find(api.primitive_desc_query_md, "dnnl_primitive_desc_query_md");
  find(api.primitive_desc_destroy, "dnnl_primitive_desc_destroy");
  find(api.primitive_create, "dnnl_primitive_create");
  find(api.primitive_execute, "dnnl_primitive_execute");
  find(api.primitive_destroy, "dnnl_primitive_destroy");

  // The OpenMP runtime that the library is bound to: a globally visible one comes before its own dependency.
  const auto find_omp = [&](auto& function, const char* name) {
    void* global = dlsym(RTLD_DEFAULT, name);
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(global != nullptr ? global : dlsym(library, name));
    if (function == nullptr) fail(ErrorCode::runtime, std::string("this oneDNN was not built for OpenMP: no ") + name);
  };
  find_omp(api.omp_get_max_threads, "omp_get_max_threads");
  find_omp(api.omp_set_num_threads, "omp_set_num_threads");

  if (isa() == Isa::avx2) require(api.set_max_cpu_isa(dnnl_cpu_isa_avx2), "limit itself to AVX2");
  require(api.engine_create(&api.engine, dnnl_cpu, 0), "make an engine");
  require(api.stream_create(&api.stream, api.engine, dnnl_stream_in_order), "make a stream");
  require(api.primitive_attr_create(&api.attributes), "make attributes");
  require(api.primitive_attr_set_scratchpad_mode(api.attributes, dnnl_scratchpad_mode_user), "set the scratchpad mode");
  require(api.primitive_attr_set_fpmath_mode(api.attributes, dnnl_fpmath_mode_strict), "set the floating-point mode");
  return api;
}

// Opened once and never closed. A failure is kept, with its reason.
struct Library {
  std::unique_ptr<const Api> api;
  std::string why_not;
};
const Library& library() {
  static const Library* const instance = [] {
    auto made = std::make_unique<Library>();
    if (void* handle = open_library(&made->why_not)) made->api = std::make_unique<const Api>(load(handle));
    return made.release();
  }();
  return *instance;
}

const Api& api() {
  const Library& l = library();
  if (l.api == nullptr)
    fail(
        ErrorCode::runtime,
        "float32 convolutions need oneDNN: pip install onednn-cpu-gomp==2023.2.0 for Python; elsewhere put libdnnl.so.3 beside libkiln.so, "
        "or set KILN_DNNL to its path (" +
            l.why_not + ")");
  return *l.api;
}

// oneDNN asks OpenMP how many threads to use, at creation and at execution. The setting belongs to the calling thread alone, but that may
// be the program's own, so it is put back.
class SingleThreaded {
 public:
  explicit SingleThreaded(const Api& api) : api_(api), before_(api.omp_get_max_threads()) {
    if (before_ != 1) api_.omp_set_num_threads(1);
  }
  ~SingleThreaded() {
    if (before_ != 1) api_.omp_set_num_threads(before_);
  }
  SingleThreaded(const SingleThreaded&) = delete;

 private:
  const Api& api_;
  const int before_;
};

// A descriptor where `create` makes one; null where oneDNN says that it has no implementation.
template <class Create>
PrimitiveDescriptor create(Create create) {
  const Api& a = api();
  const SingleThreaded single(a);
  dnnl_primitive_desc_t made = nullptr;
  const dnnl_status_t status = create(a, &made);
  if (status == dnnl_unimplemented) return nullptr;
  require(status, "describe a primitive");
  return PrimitiveDescriptor(made);
}

}  // namespace

bool available() { return library().api != nullptr; }
void require() { api(); }

void DestroyMemoryDescriptor::operator()(dnnl_memory_desc_t p) const { api().memory_desc_destroy(p); }
void DestroyPrimitiveDescriptor::operator()(dnnl_primitive_desc_t p) const { api().primitive_desc_destroy(p); }
void DestroyPrimitive::operator()(dnnl_primitive_t p) const { api().primitive_destroy(p); }

Descriptor describe(std::initializer_list<int64_t> dims, dnnl_format_tag_t tag) {
  dnnl_memory_desc_t made = nullptr;
  require(api().memory_desc_create_with_tag(&made, static_cast<int>(dims.size()), dims.begin(), dnnl_f32, tag), "describe a layout");
  return Descriptor(made);
}

Descriptor describe_strided(std::initializer_list<int64_t> dims, std::initializer_list<int64_t> strides) {
  dnnl_memory_desc_t made = nullptr;
  require(api().memory_desc_create_with_strides(&made, static_cast<int>(dims.size()), dims.begin(), dnnl_f32, strides.begin()),
          "describe a layout");
  return Descriptor(made);
}

Descriptor describe_activation(std::array<int64_t, 4> d, Layout layout) {
  return describe({d[0], d[1], d[2], d[3]}, layout == Layout::plain ? dnnl_nchw : dnnl_nChw16c);
}

Descriptor part_of(const_dnnl_memory_desc_t whole, std::array<int64_t, 4> extents, std::array<int64_t, 4> first) {
  dnnl_memory_desc_t made = nullptr;
  if (api().memory_desc_create_submemory(&made, whole, extents.data(), first.data()) != dnnl_success) return nullptr;
  return Descriptor(made);
}

int64_t offset(const_dnnl_memory_desc_t part) {
  dnnl_dim_t elements = 0;
  require(api().memory_desc_query(part, dnnl_query_submemory_offset_s64, &elements), "tell an offset");
  return elements;
}

size_t bytes(const_dnnl_memory_desc_t d) { return api().memory_desc_get_size(d); }
bool same(const_dnnl_memory_desc_t a, const_dnnl_memory_desc_t b) { return api().memory_desc_equal(a, b) != 0; }

namespace {

// oneDNN counts dilation from 0.
struct Dims {
  explicit Dims(const Geometry& g)
      : stride{g.stride[0], g.stride[1]},
        dilation{g.dilation[0] - 1, g.dilation[1] - 1},
        before{g.padding_before[0], g.padding_before[1]},
        after{g.padding_after[0], g.padding_after[1]} {}
  dnnl_dims_t stride, dilation, before, after;
};

PrimitiveDescriptor forward_hint(const Api& a, const_dnnl_memory_desc_t x, const_dnnl_memory_desc_t w, const_dnnl_memory_desc_t y,
                                 const Dims& d) {
  dnnl_primitive_desc_t made = nullptr;
  const dnnl_status_t status =
      a.convolution_forward_primitive_desc_create(&made, a.engine, dnnl_forward_training, dnnl_convolution_direct, x, w, nullptr, y,
                                                  d.stride, d.dilation, d.before, d.after, a.attributes);
  return PrimitiveDescriptor(status == dnnl_success ? made : nullptr);
}

}  // namespace

PrimitiveDescriptor convolution(const_dnnl_memory_desc_t x, const_dnnl_memory_desc_t w, const_dnnl_memory_desc_t bias,
                                const_dnnl_memory_desc_t y, const Geometry& g) {
  const Dims d(g);
  return create([&](const Api& a, dnnl_primitive_desc_t* made) {
    return a.convolution_forward_primitive_desc_create(made, a.engine, dnnl_forward_training, dnnl_convolution_direct, x, w, bias, y,
                                                       d.stride, d.dilation, d.before, d.after, a.attributes);
  });
}

PrimitiveDescriptor convolution_data(const_dnnl_memory_desc_t dx, const_dnnl_memory_desc_t w, const_dnnl_memory_desc_t dy,
                                     const Geometry& g) {
  const Dims d(g);
  return create([&](const Api& a, dnnl_primitive_desc_t* made) {
    const PrimitiveDescriptor hint = forward_hint(a, dx, w, dy, d);
    return a.convolution_backward_data_primitive_desc_create(made, a.engine, dnnl_convolution_direct, dx, w, dy, d.stride, d.dilation,
                                                             d.before, d.after, hint.get(), a.attributes);
  });
}

PrimitiveDescriptor convolution_weights(const_dnnl_memory_desc_t x, const_dnnl_memory_desc_t dw, const_dnnl_memory_desc_t dbias,
                                        const_dnnl_memory_desc_t dy, const Geometry& g) {
  const Dims d(g);
  return create([&](const Api& a, dnnl_primitive_desc_t* made) {
    const PrimitiveDescriptor hint = forward_hint(a, x, dw, dy, d);
    return a.convolution_backward_weights_primitive_desc_create(made, a.engine, dnnl_convolution_direct, x, dw, dbias, dy, d.stride,
                                                                d.dilation, d.before, d.after, hint.get(), a.attributes);
  });
}

PrimitiveDescriptor reorder(const_dnnl_memory_desc_t from, const_dnnl_memory_desc_t to) {
  return create([&](const Api& a, dnnl_primitive_desc_t* made) {
    return a.reorder_primitive_desc_create(made, from, a.engine, to, a.engine, a.attributes);
  });
}

const_dnnl_memory_desc_t layout_of(const PrimitiveDescriptor& p, int argument) {
  return api().primitive_desc_query_md(p.get(), dnnl_query_exec_arg_md, argument);
}

std::string implementation(const PrimitiveDescriptor& p) {
  const char* text = nullptr;
  require(api().primitive_desc_query(p.get(), dnnl_query_impl_info_str, 0, &text), "name an implementation");
  return text;
}

Primitive::Primitive(PrimitiveDescriptor descriptor) : descriptor_(std::move(descriptor)) {
  check(descriptor_ != nullptr, "oneDNN has no implementation for a primitive");
  const Api& a = api();
  const SingleThreaded single(a);
  dnnl_primitive_t made = nullptr;
  require(a.primitive_create(&made, descriptor_.get()), "create a primitive");
  primitive_.reset(made);
  scratch_bytes_ = bytes(layout_of(descriptor_, DNNL_ARG_SCRATCHPAD));
}

void Primitive::run(std::span<const Argument> arguments, void* scratch) const {
  const Api& a = api();
  const SingleThreaded single(a);
  check(arguments.size() <= kMostArguments, "too many arguments for a primitive");
  dnnl_exec_arg_t list[kMostArguments + 1];
  int count = 0;
  dnnl_status_t status = dnnl_success;
  const auto add = [&](int index, void* data) {
    list[count].arg = index;
    if (status == dnnl_success) status = a.memory_create(&list[count].memory, layout_of(descriptor_, index), a.engine, data);
    if (status == dnnl_success) ++count;
  };
  for (const Argument& argument : arguments) add(argument.index, argument.data);
  if (scratch_bytes_ > 0) add(DNNL_ARG_SCRATCHPAD, scratch);
  if (status == dnnl_success) status = a.primitive_execute(primitive_.get(), a.stream, count, list);
  while (count > 0) a.memory_destroy(list[--count].memory);
  require(status, "run a primitive");
}

}  // namespace dnnl
}  // namespace kiln::codegen
