// An executable of one small kernel as the body of a loop, compiled with the steps between its runs.
#include "codegen/backend.h"
#include "codegen/kernel_loop.h"
#include "codegen/tunables.h"
#include "jit/executable.h"

namespace kiln::jit {
namespace {

class LoopedExecutable final : public tracer::LoopedProgram {
 public:
  LoopedExecutable(const KernelStep& step, codegen::KernelLoop loop, std::shared_ptr<const codegen::Code> code)
      : loop_(std::move(loop)),
        code_(std::move(code)),
        extents_(step.extents),
        strides_(step.strides),
        clip_total_(step.clip_total),
        blocks_(codegen::block_count(loop_.kernel, step.extents.data())) {}

  size_t buffers() const override { return loop_.buffers.size(); }

  void begin(codegen::KernelLoopArgs& args, std::span<void*> pointers) const override {
    for (size_t b = 0; b < pointers.size(); ++b) pointers[b] = args.places[loop_.buffers[b].place] + loop_.buffers[b].offset;
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
                                                                std::span<const eager::Scalar> scalars) const {
  const auto backend = codegen::forced_backend();
  if (backend && *backend != codegen::BackendKind::asmjit) return nullptr;
  const auto* step = steps_.size() == 1 ? std::get_if<KernelStep>(&steps_[0]) : nullptr;
  if (step == nullptr || !loans_.empty() || codegen::value(codegen::Tunable::profile) != 0) return nullptr;
  const codegen::Kernel& kernel = step->kernel->kernel;
  auto work = static_cast<double>(step->kernel->cost);
  for (const int64_t extent : step->extents) work *= static_cast<double>(extent);
  if (work >= static_cast<double>(codegen::value(codegen::Tunable::parallel_work))) return nullptr;
  if (codegen::block_count(kernel, step->extents.data()) == 0) return nullptr;
  codegen::KernelLoop loop;
  for (const Address& a : step->buffers) {
    if (a.slot >= places.size() || places[a.slot] == kNowhere) return nullptr;
    loop.buffers.push_back({places[a.slot], a.bytes});
  }
  std::vector<uint64_t> known;
  for (const DraftedCluster::ScalarSlot& s : step->scalars)
    known.push_back(s.known ? static_cast<uint64_t>(*s.known) : scalars[s.number].bits_as(s.dtype));
  loop.kernel = codegen::with_scalars(kernel, known);
  loop.steps = std::move(steps);
  std::shared_ptr<const codegen::Code> code = codegen::compile_loop(loop, codegen::isa());
  return code ? std::make_unique<LoopedExecutable>(*step, std::move(loop), std::move(code)) : nullptr;
}

}  // namespace kiln::jit
