// The kernel cache, sharded by hash, and the choice of a back end.
#include "codegen/compiler.h"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>
#include <unordered_set>

#include "codegen/backend_setting.h"
#include "codegen/cuda/driver.h"
#include "codegen/error.h"
#include "codegen/kernel_log.h"
#include "codegen/tier_up.h"
#include "codegen/trial.h"
#include "codegen/tunables.h"

namespace kiln::codegen {
namespace {

// Plain mutexes: a read-write lock that is held over fork() cannot be unlocked in the child (it knows its writer's thread id).
using Lock = std::unique_lock<std::mutex>;

struct Shard {
  std::mutex mutex;
  std::unordered_multimap<uint64_t, std::shared_ptr<CompiledKernel>> kernels;  // by key_of()
};

// Lives as long as the process: kernels may be let go of after static objects are gone.
struct Cache {
  std::array<Shard, 16> shards;
  std::mutex mutex;  // of what follows, and of every kernel's list of codes
  std::unordered_set<CompiledKernel*> alive;
  uint64_t launches_of_the_dead[kBackendNames.size()] = {};
  std::array<std::atomic<uint64_t>, kBackendNames.size()> compiles{};
};

Cache& cache() {
  static Cache& cache = *std::make_unique<Cache>().release();
  return cache;
}

constexpr uint8_t kAuto = 255;

uint8_t setting_from_environment() {
  const std::string name = text(Tunable::backend);
  if (name.empty() || name == "auto") return kAuto;
  for (BackendKind kind : {BackendKind::interpreter, BackendKind::asmjit, BackendKind::llvm})
    if (name == name_of(kind)) return static_cast<uint8_t>(kind);
  if (name == name_of(BackendKind::cuda)) cuda::refuse_device("KILN_BACKEND is cuda");
  fail(ErrorCode::value, "KILN_BACKEND is '" + name + "', which is not auto, interpreter, asmjit or llvm");
}

std::atomic<uint8_t>& setting() {
  static std::atomic<uint8_t> setting{setting_from_environment()};
  return setting;
}

[[gnu::tls_model("initial-exec")]] constinit thread_local std::optional<BackendKind> forced_here;
[[gnu::tls_model("initial-exec")]] constinit thread_local Backend* instead = nullptr;

std::shared_ptr<Code> forced_code(CompiledKernel& kernel, BackendKind kind) {
  const std::shared_lock gate(compile_gate());
  std::shared_ptr<Code> code;
  if (instead != nullptr) {
    code = compile_with(*instead, kernel);
    return code ? code : compile_with(interpreter_backend(), kernel);
  }
  switch (kind) {
    case BackendKind::interpreter: break;
    case BackendKind::asmjit: code = compile_with(asmjit_backend(), kernel); break;
    case BackendKind::llvm: {
      std::string why;
      Backend* llvm = llvm_backend(&why);
      if (llvm == nullptr) fail(ErrorCode::runtime, "the back end llvm was asked for, but cannot be used: " + why);
      code = compile_with(*llvm, kernel);
      break;
    }
    case BackendKind::cuda: cuda::refuse_device("the back end cuda");
  }
  return code ? code : compile_with(interpreter_backend(), kernel);
}

int64_t operations(const Kernel& kernel) {
  int64_t count = static_cast<int64_t>(kernel.stores.size());
  for (const Node& n : kernel.nodes) count += reads_memory(n) || n.kind == NodeKind::primitive || n.kind == NodeKind::reduce;
  return count;
}

}  // namespace

CompiledKernel::CompiledKernel(const Kernel& k, std::string_view what)
    : kernel(k), hash(codegen::hash(k)), cost(operations(k)), name(name_of(k, hash, what)) {
  const Lock lock(cache().mutex);
  cache().alive.insert(this);
}

CompiledKernel::~CompiledKernel() {
  const Lock lock(cache().mutex);
  cache().alive.erase(this);
  for (size_t i = 0; i < launches_by_backend.size(); ++i) cache().launches_of_the_dead[i] += launches_by_backend[i];
}

uint64_t CompiledKernel::launches() const {
  uint64_t sum = 0;
  for (const auto& n : launches_by_backend) sum += n.load(std::memory_order_relaxed);
  return sum;
}

void CompiledKernel::keep_beside(std::shared_ptr<const Code> code) {
  Kept kept{code, Announcement(*code, name)};
  const Lock lock(cache().mutex);
  codes_.push_back(std::move(kept));
}

void CompiledKernel::run(const Code& code) { code_.store(&code, std::memory_order_release); }

void CompiledKernel::swap_in(std::shared_ptr<const Code> code) {
  const Code& now = *code;
  keep_beside(std::move(code));
  run(now);
}

void force_backend(std::optional<BackendKind> kind) { setting() = kind ? static_cast<uint8_t>(*kind) : kAuto; }

BackendScope::BackendScope(std::optional<BackendKind> kind) : before_(forced_here) {
  if (kind) forced_here = kind;
}
BackendScope::~BackendScope() { forced_here = before_; }

BackendInstead::BackendInstead(Backend& backend) : before_(instead) { instead = &backend; }
BackendInstead::~BackendInstead() { instead = before_; }

std::optional<BackendKind> forced_backend() {
  if (instead != nullptr) return instead->kind();
  if (forced_here) return forced_here;
  const uint8_t now = setting().load(std::memory_order_relaxed);
  if (now == kAuto) return std::nullopt;
  return static_cast<BackendKind>(now);
}

std::optional<BackendKind> backend_named(std::string_view name) {
  if (name == "auto") return std::nullopt;
  if (name == name_of(BackendKind::cuda)) cuda::refuse_device("backend 'cuda'");
  const auto at = std::find(kBackendNames.begin(), kBackendNames.end(), name);
  if (at == kBackendNames.end())
    fail(ErrorCode::value, "backend must be auto, interpreter, asmjit, llvm or cuda, not '" + std::string(name) + "'");
  return static_cast<BackendKind>(at - kBackendNames.begin());
}

uint32_t backend_setting() {
  if (instead == nullptr) {
    const std::optional<BackendKind> forced = forced_backend();
    return forced ? 1 + static_cast<uint32_t>(*forced) : 0;
  }
  static std::mutex mutex;
  static std::vector<const Backend*>& seen = *std::make_unique<std::vector<const Backend*>>().release();
  const Lock lock(mutex);
  const auto at = std::find(seen.begin(), seen.end(), instead);
  const auto number = static_cast<uint32_t>(at - seen.begin());
  if (at == seen.end()) seen.push_back(instead);
  return 1 + static_cast<uint32_t>(kBackendNames.size()) + number;
}

std::shared_ptr<Code> compile_with(Backend& backend, CompiledKernel& kernel) {
  const auto start = std::chrono::steady_clock::now();
  std::shared_ptr<Code> code = backend.compile(kernel.kernel, isa());
  if (!code) return nullptr;
  const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - start;
  count_compile(kernel, code->backend, took.count());
  return code;
}

void count_compile(CompiledKernel& kernel, BackendKind kind, double microseconds) {
  kernel.compile_microseconds[static_cast<size_t>(kind)] = microseconds;
  ++cache().compiles[static_cast<size_t>(kind)];
}

std::shared_ptr<CompiledKernel> get(const Kernel& kernel, std::string_view what) {
  const std::optional<BackendKind> forced = forced_backend();
  // The setting is part of the key; the kernel's own hash spreads over the shards.
  const uint64_t key = hash(kernel) + backend_setting() * 0x9e3779b97f4a7c15u;
  Shard& shard = cache().shards[key >> 60];
  const auto find = [&]() -> std::shared_ptr<CompiledKernel> {
    const auto [begin, end] = shard.kernels.equal_range(key);
    for (auto at = begin; at != end; ++at)
      if (at->second->kernel == kernel) return at->second;
    return nullptr;
  };
  {
    const Lock lock(shard.mutex);
    if (auto found = find()) return found;
  }
  verify(kernel);
  log_kernel(kernel);
  auto made = std::make_shared<CompiledKernel>(kernel, what);
  if (forced) made->swap_in(forced_code(*made, *forced));
  else enter_tiers(*made);
  {
    const Lock lock(shard.mutex);
    if (auto found = find()) return found;  // another thread was faster
    shard.kernels.emplace(key, made);
  }
  if (!forced) queue_if_hot(*made);
  return made;
}

void clear_kernel_cache() {
  for (Shard& shard : cache().shards) {
    decltype(shard.kernels) dropped;  // freed after the lock
    const Lock lock(shard.mutex);
    dropped.swap(shard.kernels);
  }
}

KernelCounters counters() {
  KernelCounters sum{};
  count_tiers(sum);
  const Lock lock(cache().mutex);
  sum.kernels = cache().alive.size();
  for (size_t i = 0; i < kBackendNames.size(); ++i) {
    sum.launches[i] = cache().launches_of_the_dead[i];
    sum.compiles[i] = cache().compiles[i];
    for (const CompiledKernel* kernel : cache().alive) sum.launches[i] += kernel->launches_by_backend[i].load(std::memory_order_relaxed);
  }
  return sum;
}

void lock_kernel_cache() {
  for (Shard& shard : cache().shards) shard.mutex.lock();
  cache().mutex.lock();
}

void unlock_kernel_cache() {
  cache().mutex.unlock();
  for (Shard& shard : cache().shards) shard.mutex.unlock();
}

}  // namespace kiln::codegen
