// The LLVM back end's door: target machines, machine code, its memory. Opened through kiln_llvm_create() and never closed.
//
// No LLJIT: its set-up looks up symbols of its own by name, which are hidden here, to register unwind tables that kernels, which never
// unwind, do not have. A kernel refers to no symbol outside of itself, and linking it fails if one day it should.
#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <llvm/ADT/SmallVector.h>
#include <llvm/ExecutionEngine/Orc/Core.h>
#include <llvm/ExecutionEngine/Orc/ExecutorProcessControl.h>
#include <llvm/ExecutionEngine/Orc/ObjectLinkingLayer.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Module.h>
#include <llvm/IR/Verifier.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Object/ObjectFile.h>
#include <llvm/Support/CommandLine.h>
#include <llvm/Support/SmallVectorMemoryBuffer.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Target/TargetMachine.h>
#include <llvm/TargetParser/Host.h>

#include "codegen/cpu_cache.h"
#include "codegen/error.h"
#include "codegen/legalise.h"
#include "codegen/llvm/emit.h"

namespace kiln::codegen::llvm_ir {
namespace {

// As DESIGN's "Numbers" wants it: TargetOptions' defaults set no unsafe option; only fusion has to be forbidden.
std::unique_ptr<llvm::TargetMachine> make_machine(Isa isa) {
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Strict;
  const std::string triple = llvm::sys::getProcessTriple();
  std::string why;
  const llvm::Target* target = llvm::TargetRegistry::lookupTarget(triple, why);
  check(target != nullptr, "LLVM was linked without x86");
  return std::unique_ptr<llvm::TargetMachine>(target->createTargetMachine(triple, isa == Isa::avx512 ? "x86-64-v4" : "x86-64-v3", "",
                                                                          options, llvm::Reloc::PIC_, llvm::CodeModel::Small,
                                                                          llvm::CodeGenOptLevel::Less, /*JIT=*/true));
}

// Target machines are not thread-safe and not cheap: each compilation borrows one.
class Machines {
 public:
  class Loan {
   public:
    Loan(Machines& owner, Isa isa) : owner_(owner), isa_(isa), machine_(owner.take(isa)) {}
    ~Loan() { owner_.give_back(isa_, std::move(machine_)); }
    Loan(const Loan&) = delete;
    llvm::TargetMachine& operator*() const { return *machine_; }
    llvm::TargetMachine* operator->() const { return machine_.get(); }

   private:
    Machines& owner_;
    Isa isa_;
    std::unique_ptr<llvm::TargetMachine> machine_;
  };

 private:
  std::unique_ptr<llvm::TargetMachine> take(Isa isa) {
    {
      std::lock_guard lock(mutex_);
      auto& idle = idle_[static_cast<size_t>(isa)];
      if (!idle.empty()) {
        auto machine = std::move(idle.back());
        idle.pop_back();
        return machine;
      }
    }
    return make_machine(isa);
  }
  void give_back(Isa isa, std::unique_ptr<llvm::TargetMachine> machine) {
    std::lock_guard lock(mutex_);
    idle_[static_cast<size_t>(isa)].push_back(std::move(machine));
  }

  std::mutex mutex_;
  std::array<std::vector<std::unique_ptr<llvm::TargetMachine>>, 2> idle_;
};

// Loop strength reduction takes half of a compilation and makes our loops longer: their addresses fit x86's operands as they are.
// Options are global, but this LLVM is ours alone.
void set_options() {
  const std::array arguments{"kiln", "-disable-lsr"};
  check(llvm::cl::ParseCommandLineOptions(arguments.size(), arguments.data(), "", &llvm::errs()), "LLVM does not know an option");
}

// Links machine code into this process and frees it again.
class Linker {
 public:
  Linker()
      : session_(llvm::cantFail(llvm::orc::SelfExecutorProcessControl::Create())),
        layer_(session_),
        kernels_(session_.createBareJITDylib("kernels")) {}

  struct Linked {
    llvm::orc::ResourceTrackerSP memory;
    KernelFunction function;
  };
  llvm::Expected<Linked> link(std::unique_ptr<llvm::MemoryBuffer> object, const std::string& name) {
    auto memory = kernels_.createResourceTracker();
    if (auto error = layer_.add(memory, std::move(object))) return error;
    auto symbol = session_.lookup({&kernels_}, session_.intern(name));
    if (!symbol) {
      llvm::consumeError(memory->remove());
      return symbol.takeError();
    }
    return Linked{std::move(memory), symbol->getAddress().toPtr<KernelFunction>()};
  }

 private:
  llvm::orc::ExecutionSession session_;
  llvm::orc::ObjectLinkingLayer layer_;
  llvm::orc::JITDylib& kernels_;
};

class LlvmBackend final : public Backend {
 public:
  BackendKind kind() const override { return BackendKind::llvm; }
  std::shared_ptr<Code> compile(const Kernel&, Isa) override;
  std::string text(const Kernel&, Isa, std::string_view what) override;

 private:
  std::unique_ptr<llvm::Module> module(const Kernel&, Isa, llvm::LLVMContext&, llvm::TargetMachine&, const char* name);

  Machines machines_;
  Linker linker_;
  std::atomic<uint64_t> kernels_{0};
};

struct LlvmCode final : Code {
  LlvmCode(LlvmBackend& owner, const Kernel& kernel, Isa isa, Linker::Linked linked, size_t size)
      : owner_(owner), kernel_(kernel), isa_(isa), memory_(std::move(linked.memory)) {
    function = linked.function;
    backend = BackendKind::llvm;
    bytes = size;
  }
  ~LlvmCode() override { llvm::consumeError(memory_->remove()); }
  std::string listing() const override { return owner_.text(kernel_, isa_, "asm"); }

 private:
  LlvmBackend& owner_;
  const Kernel kernel_;
  const Isa isa_;
  const llvm::orc::ResourceTrackerSP memory_;
};

std::unique_ptr<llvm::Module> LlvmBackend::module(const Kernel& kernel, Isa isa, llvm::LLVMContext& context, llvm::TargetMachine& machine,
                                                  const char* name) {
  auto module = std::make_unique<llvm::Module>("kiln", context);
  module->setTargetTriple(machine.getTargetTriple().str());
  module->setDataLayout(machine.createDataLayout());
  auto* pointer = llvm::PointerType::get(context, 0);
  auto* number = llvm::Type::getInt64Ty(context);
  auto* type = llvm::FunctionType::get(llvm::Type::getInt32Ty(context), {pointer, number, number}, false);
  auto* function = llvm::Function::Create(type, llvm::GlobalValue::ExternalLinkage, name, *module);
  function->setDoesNotThrow();
  if (isa == Isa::avx512) {
    function->addFnAttr("prefer-vector-width", "512");
    function->addFnAttr("min-legal-vector-width", "512");
  }
  emit(kernel, {.isa = isa, .cache_bytes = last_level_cache_bytes()}, *function);
#ifndef NDEBUG
  check(!llvm::verifyFunction(*function, &llvm::errs()), "the LLVM IR of a kernel is invalid");
#endif
  return module;
}

size_t size_of_code(const llvm::MemoryBuffer& object) {
  auto file = llvm::object::ObjectFile::createObjectFile(object.getMemBufferRef());
  if (!file) {
    llvm::consumeError(file.takeError());
    return 0;
  }
  size_t bytes = 0;
  for (const llvm::object::SectionRef& section : (*file)->sections())
    if (section.isText()) bytes += section.getSize();
  return bytes;
}

std::shared_ptr<Code> LlvmBackend::compile(const Kernel& given, Isa isa) {
  const Kernel kernel = legalise_halves(given);
  const std::string name = "kernel_" + std::to_string(kernels_++);
  llvm::SmallVector<char, 0> bytes;
  {
    Machines::Loan machine(machines_, isa);
    llvm::LLVMContext context;
    context.setDiscardValueNames(true);
    auto made = module(kernel, isa, context, *machine, name.c_str());
    llvm::raw_svector_ostream stream(bytes);
    llvm::legacy::PassManager passes;
    llvm::MCContext* unused = nullptr;
    check(!machine->addPassesToEmitMC(passes, unused, stream), "LLVM cannot write machine code");
    passes.run(*made);
  }
  auto object = std::make_unique<llvm::SmallVectorMemoryBuffer>(std::move(bytes), name, /*RequiresNullTerminator=*/false);
  const size_t size = size_of_code(*object);
  auto linked = linker_.link(std::move(object), name);
  if (!linked) {
    llvm::consumeError(linked.takeError());  // the session has reported it
    return nullptr;
  }
  return std::make_shared<LlvmCode>(*this, given, isa, std::move(*linked), size);
}

std::string LlvmBackend::text(const Kernel& given, Isa isa, std::string_view what) {
  if (what != "llvm" && what != "asm") return {};
  const Kernel kernel = legalise_halves(given);
  Machines::Loan machine(machines_, isa);
  llvm::LLVMContext context;
  auto made = module(kernel, isa, context, *machine, "kernel");
  if (what == "llvm") {
    std::string text;
    llvm::raw_string_ostream stream(text);
    made->print(stream, nullptr);
    return text;
  }
  llvm::SmallString<0> text;
  llvm::raw_svector_ostream stream(text);
  llvm::legacy::PassManager passes;
  check(!machine->addPassesToEmitFile(passes, stream, nullptr, llvm::CodeGenFileType::AssemblyFile), "LLVM cannot write assembly");
  passes.run(*made);
  return text.str().str();
}

}  // namespace
}  // namespace kiln::codegen::llvm_ir

extern "C" __attribute__((visibility("default"))) kiln::codegen::Backend* kiln_llvm_create() {
  LLVMInitializeX86TargetInfo();
  LLVMInitializeX86Target();
  LLVMInitializeX86TargetMC();
  LLVMInitializeX86AsmPrinter();
  kiln::codegen::llvm_ir::set_options();
  return std::make_unique<kiln::codegen::llvm_ir::LlvmBackend>().release();  // the process keeps it
}
