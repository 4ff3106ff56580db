// An executable of one small kernel as the body of a loop, compiled with the steps between its runs.
#include "codegen/backend.h"
#include "codegen/kernel_loop.h"
#include "codegen/tunables.h"
#include "jit/executable.h"

namespace kiln::jit {
namespace {

// Numbers are single elements: the same along all dimensions.
std::vector<int64_t> with_numbers(std::vector<int64_t> strides, const codegen::KernelLoop& loop) {
  strides.resize(loop.kernel.buffers.size() * loop.kernel.rank, 0);
  return strides;
}

class LoopedExecutable final : public tracer::LoopedProgram {
 public:
  LoopedExecutable(const KernelStep& step, codegen::KernelLoop loop, std::shared_ptr<const codegen::Code> code)
      : loop_(std::move(loop)),
        code_(std::move(code)),
        extents_(step.extents),
        strides_(with_numbers(step.strides, loop_)),
        clip_total_(step.clip_total),
        blocks_(codegen::block_count(loop_.kernel, step.extents.data())) {}

  size_t buffers() const override { return loop_.buffers.size(); }

  void begin(codegen::KernelLoopArgs& args, std::span<void*> pointers) const override {
    for (size_t b = 0; b < pointers.size(); ++b) {
      const auto& [place, offset] = loop_.buffers[b];
      auto* const from = place == codegen::KernelLoop::kNumbers ? reinterpret_cast<std::byte*>(args.numbers) : args.places[place];
      pointers[b] = from + offset;
    }
    args.args = {};
    args.args.pointers = pointers.data();
    args.args.strides = strides_.data();
    args.args.extents = extents_.data();
    args.args.clip_total = clip_total_;
    args.args.self = code_->self;
  }

  void go_on(codegen::KernelLoopArgs& args) const override {
    if (code_->function(&args.args, 0, blocks_) != 0) fail(ErrorCode::memory, "a loop ran out of memory");
  }

  std::string text(std::string_view what) const override {
    if (what == "kernels") return codegen::print(loop_.kernel);
    if (what == "asm") return codegen::loop_text(loop_, codegen::isa());
    fail(ErrorCode::value, "as_text: a loop has the forms kernels and asm, not '" + std::string(what) + "'");
  }

 private:
  const codegen::KernelLoop loop_;
  const std::shared_ptr<const codegen::Code> code_;
  const std::vector<int64_t> extents_, strides_;
  const int64_t clip_total_, blocks_;
};

}  // namespace

std::unique_ptr<const tracer::LoopedProgram> Executable::looped(std::span<const uint32_t> places,
                                                                std::vector<codegen::KernelLoop::Step> steps,
                                                                std::span<const eager::Scalar> scalars,
                                                                std::span<const std::pair<uint32_t, uint32_t>> numbers) const {
  const auto backend = codegen::forced_backend();
  if (backend && *backend != codegen::BackendKind::asmjit) return nullptr;
  const auto* step = steps_.size() == 1 ? std::get_if<KernelStep>(&steps_[0]) : nullptr;
  if (step == nullptr || !loans_.empty() || codegen::value(codegen::Tunable::profile) != 0) return nullptr;
  const codegen::Kernel& kernel = step->kernel->kernel;
  if (step->kernel->work(step->extents.data()) >= static_cast<double>(codegen::value(codegen::Tunable::parallel_work))) return nullptr;
  if (codegen::block_count(kernel, step->extents.data()) == 0) return nullptr;
  codegen::KernelLoop loop;
  for (const Address& a : step->buffers) {
    if (a.slot >= places.size() || places[a.slot] == kNowhere) return nullptr;
    loop.buffers.push_back({places[a.slot], a.bytes});
  }
  std::vector<codegen::ScalarSource> sources;
  for (const DraftedCluster::ScalarSlot& s : step->scalars) {
    const auto number = std::ranges::find(numbers, s.number, &std::pair<uint32_t, uint32_t>::first);
    if (s.known) {
      sources.push_back({static_cast<uint64_t>(*s.known)});
    } else if (number == numbers.end()) {
      sources.push_back({scalars[s.number].bits_as(s.dtype)});
    } else {
      sources.push_back({std::nullopt, scalars[s.number].kind == DTypeKind::floating ? DType::F64 : DType::I64});
      loop.buffers.push_back({codegen::KernelLoop::kNumbers, int64_t{8} * number->second});
    }
  }
  loop.kernel = codegen::without_scalars(kernel, sources);
  loop.steps = std::move(steps);
  std::shared_ptr<const codegen::Code> code = codegen::compile_loop(loop, codegen::isa());
  return code ? std::make_unique<LoopedExecutable>(*step, std::move(loop), std::move(code)) : nullptr;
}

}  // namespace kiln::jit
