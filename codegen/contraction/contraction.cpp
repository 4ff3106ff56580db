#include "codegen/contraction/contraction.h"

#include <pthread.h>

#include <mutex>
#include <unordered_map>

#include "codegen/contraction/dnnl.h"
#include "codegen/contraction/plans.h"
#include "codegen/contraction/reference.h"
#include "codegen/contraction/shapes.h"

namespace kiln::codegen {
namespace {

class ReferencePlan final : public ContractionPlan {
 public:
  explicit ReferencePlan(const ContractionKey& key) : key_(key) {}
  std::span<const Layout> input_layouts() const override { return std::span(kPlain).first(inputs()); }
  std::span<const Layout> output_layouts() const override { return std::span(kPlain).first(outputs()); }
  size_t scratch_bytes() const override { return 0; }
  double flops() const override { return codegen::flops(key_); }
  void run(std::span<const void* const> inputs, std::span<void* const> outputs, void*) const override {
    reference_contraction(key_, inputs, outputs);
  }
  std::string describe() const override { return print(key_) + ": plain loops"; }

 private:
  static constexpr Layout kPlain[3] = {Layout::plain, Layout::plain, Layout::plain};
  size_t inputs() const { return key_.bias && key_.kind != ContractionKind::conv2d_weights ? 3 : 2; }
  size_t outputs() const { return key_.bias && key_.kind == ContractionKind::conv2d_weights ? 2 : 1; }
  const ContractionKey key_;
};

std::shared_ptr<const ContractionPlan> make_plan(const ContractionKey& key) {
  if (key.dtype != DType::F32 || is_empty(key)) return std::make_shared<const ReferencePlan>(key);
  if (!is_convolution(key.kind)) return make_matmul_plan(key);
  if (winograd_pays(key)) return make_winograd_plan(key);
  return image_lanes_pay(key) ? make_image_lanes_plan(key) : make_convolution_plan(key);
}

struct KeyHash {
  size_t operator()(const ContractionKey& k) const {
    size_t hash = 0;
    const auto mix = [&](int64_t v) { hash = (hash ^ static_cast<size_t>(v)) * 0x9e3779b97f4a7c15u, hash ^= hash >> 29; };
    for (const int64_t v : {static_cast<int64_t>(k.kind),
                            static_cast<int64_t>(k.dtype),
                            int64_t{k.bias},
                            int64_t{k.transpose_a},
                            int64_t{k.transpose_b},
                            k.batch,
                            k.m,
                            k.n,
                            k.k,
                            k.images,
                            k.in_channels,
                            k.in_height,
                            k.in_width,
                            k.out_channels,
                            k.kernel_height,
                            k.kernel_width,
                            k.stride[0],
                            k.stride[1],
                            k.padding[0],
                            k.padding[1],
                            k.dilation[0],
                            k.dilation[1]})
      mix(v);
    return hash;
  }
};

constexpr size_t kMostPlans = 2048;  // programs whose shapes never repeat must not grow for ever

struct Plans {
  std::mutex mutex;
  std::unordered_map<ContractionKey, std::shared_ptr<const ContractionPlan>, KeyHash> by_key;
};

// Never destroyed: plans may be in use while the process ends. No fork happens while the mutex is held.
Plans& plans() {
  static Plans* const instance = [] {
    auto made = std::make_unique<Plans>();
    pthread_atfork([] { plans().mutex.lock(); }, [] { plans().mutex.unlock(); }, [] { plans().mutex.unlock(); });
    return made.release();
  }();
  return *instance;
}

}  // namespace

void require_library(const ContractionKey& key) {
  if (key.dtype == DType::F32 && is_convolution(key.kind) && !is_empty(key) && !image_lanes_pay(key)) dnnl::require();
}

std::shared_ptr<const ContractionPlan> contraction_plan(const ContractionKey& key) {
  Plans& known = plans();
  {
    const std::lock_guard lock(known.mutex);
    if (const auto found = known.by_key.find(key); found != known.by_key.end()) return found->second;
  }
  validate(key);
  auto made = make_plan(key);  // without the lock, as it takes a while; of two made at once one stays
  const std::lock_guard lock(known.mutex);
  if (known.by_key.size() >= kMostPlans) known.by_key.clear();
  return known.by_key.emplace(key, std::move(made)).first->second;
}

}  // namespace kiln::codegen
