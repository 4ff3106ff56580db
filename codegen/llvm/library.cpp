// The LLVM back end's door: target machines and what comes out of them. Opened through kiln_llvm_create() and never closed.
//
// No ORC: a kernel refers to nothing outside of itself, so that joining its sections (image.cpp) is all the linking there is. What ORC
// links could not be kept on disk, and it makes the library larger and slower to open.
#include <array>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <llvm/ADT/SmallVector.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Module.h>
#include <llvm/IR/Verifier.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Support/CommandLine.h>
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

class Compiler final : public ImageCompiler {
 public:
  std::optional<CodeImage> compile(const Kernel&, Isa) override;
  std::string text(const Kernel&, Isa, std::string_view what) override;

 private:
  std::unique_ptr<llvm::Module> module(const Kernel&, Isa, llvm::LLVMContext&, llvm::TargetMachine&);

  Machines machines_;
};

std::unique_ptr<llvm::Module> Compiler::module(const Kernel& kernel, Isa isa, llvm::LLVMContext& context, llvm::TargetMachine& machine) {
  auto module = std::make_unique<llvm::Module>("kiln", context);
  module->setTargetTriple(machine.getTargetTriple().str());
  module->setDataLayout(machine.createDataLayout());
  auto* pointer = llvm::PointerType::get(context, 0);
  auto* number = llvm::Type::getInt64Ty(context);
  auto* type = llvm::FunctionType::get(llvm::Type::getInt32Ty(context), {pointer, number, number}, false);
  auto* function = llvm::Function::Create(type, llvm::GlobalValue::ExternalLinkage, "kernel", *module);
  function->setDoesNotThrow();
  if (isa == Isa::avx512) {
    function->addFnAttr("prefer-vector-width", "512");
    function->addFnAttr("min-legal-vector-width", "512");
  }
  emit(legalise_halves(kernel), {.isa = isa, .cache_bytes = last_level_cache_bytes()}, *function);
#ifndef NDEBUG
  check(!llvm::verifyFunction(*function, &llvm::errs()), "the LLVM IR of a kernel is invalid");
#endif
  return module;
}

std::optional<CodeImage> Compiler::compile(const Kernel& kernel, Isa isa) {
  llvm::SmallVector<char, 0> object;
  {
    Machines::Loan machine(machines_, isa);
    llvm::LLVMContext context;
    context.setDiscardValueNames(true);
    auto made = module(kernel, isa, context, *machine);
    llvm::raw_svector_ostream stream(object);
    llvm::legacy::PassManager passes;
    llvm::MCContext* unused = nullptr;
    check(!machine->addPassesToEmitMC(passes, unused, stream), "LLVM cannot write machine code");
    passes.run(*made);
  }
  return image_of({object.data(), object.size()});
}

std::string Compiler::text(const Kernel& kernel, Isa isa, std::string_view what) {
  if (what != "llvm" && what != "asm") return {};
  Machines::Loan machine(machines_, isa);
  llvm::LLVMContext context;
  auto made = module(kernel, isa, context, *machine);
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

extern "C" __attribute__((visibility("default"))) kiln::codegen::ImageCompiler* kiln_llvm_create() {
  LLVMInitializeX86TargetInfo();
  LLVMInitializeX86Target();
  LLVMInitializeX86TargetMC();
  LLVMInitializeX86AsmPrinter();
  kiln::codegen::llvm_ir::set_options();
  return std::make_unique<kiln::codegen::llvm_ir::Compiler>().release();  // the process keeps it
}
