#include "codegen/llvm/ir.h"

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/IntrinsicsX86.h>
#include <llvm/IR/Module.h>

namespace kiln::codegen::llvm_ir {
namespace {

namespace Intrinsic = llvm::Intrinsic;

// Where two ways meet.
struct Way {
  Block from;
  Value* value;
};
Value* merge(llvm::IRBuilderBase& b, Way one, Way other) {
  llvm::PHINode* merged = b.CreatePHI(one.value->getType(), 2);
  merged->addIncoming(one.value, one.from);
  merged->addIncoming(other.value, other.from);
  return merged;
}

Value* half(llvm::IRBuilderBase& b, Value* v, bool upper) {
  const int n = static_cast<int>(llvm::cast<llvm::FixedVectorType>(v->getType())->getNumElements()) / 2;
  std::vector<int> lanes;
  for (int i = 0; i < n; ++i) lanes.push_back(upper ? n + i : i);
  return b.CreateShuffleVector(v, lanes);
}

}  // namespace

// Constants alone are folded as they are built. LLVM's cleverer folder would look at loops whose counters do not know yet what comes back to
// them, and prove of those whatever it likes, such as that they are never zero; kernels come simplified anyway (codegen/simplify/).
Ir::Ir(llvm::Function& function) : function_(function), builder_(std::make_shared<llvm::IRBuilder<>>(function.getContext())) {
  builder_->SetInsertPoint(new_block("entry"));
}
Ir::~Ir() = default;

llvm::IRBuilderBase& Ir::builder() { return *builder_; }
Value* Ir::argument(unsigned i) { return function_.getArg(i); }
void Ir::leave_with_zero() { builder_->CreateRet(builder_->getInt32(0)); }

Value* Ir::number(int64_t n) { return builder_->getInt64(static_cast<uint64_t>(n)); }
Value* Ir::add(Value* x, Value* y) { return builder_->CreateAdd(x, y); }
Value* Ir::sub(Value* x, Value* y) { return builder_->CreateSub(x, y); }
Value* Ir::mul(Value* x, Value* y) { return builder_->CreateMul(x, y); }
Value* Ir::divide(Value* x, Value* y) { return builder_->CreateUDiv(x, y); }
Value* Ir::bit_and(Value* x, Value* y) { return builder_->CreateAnd(x, y); }
Value* Ir::bit_or(Value* x, Value* y) { return builder_->CreateOr(x, y); }
Value* Ir::minimum(Value* x, Value* y) { return builder_->CreateBinaryIntrinsic(Intrinsic::smin, x, y); }
Value* Ir::maximum(Value* x, Value* y) { return builder_->CreateBinaryIntrinsic(Intrinsic::smax, x, y); }
Value* Ir::ceil_divide(Value* n, int64_t power_of_two) {
  return builder_->CreateLShr(add(n, number(power_of_two - 1)), llvm::Log2_64(static_cast<uint64_t>(power_of_two)));
}
Value* Ir::count_ones(Value* x) { return builder_->CreateUnaryIntrinsic(Intrinsic::ctpop, x); }
Value* Ir::count_trailing_ones(Value* x) {
  return builder_->CreateBinaryIntrinsic(Intrinsic::cttz, builder_->CreateNot(x), builder_->getFalse());
}
Value* Ir::less(Value* x, Value* y) { return builder_->CreateICmpSLT(x, y); }
Value* Ir::equal(Value* x, Value* y) { return builder_->CreateICmpEQ(x, y); }
Value* Ir::select(Value* condition, Value* then, Value* otherwise) { return builder_->CreateSelect(condition, then, otherwise); }

Value* Ir::splat(Value* v, int width) { return width == 1 ? v : builder_->CreateVectorSplat(static_cast<unsigned>(width), v); }
Value* Ir::count_from(Value* first, int width) {
  if (width == 1) return first;
  Value* all = splat(first, width);
  return add(all, builder_->CreateStepVector(all->getType()));
}
Value* Ir::lower_half(Value* v) { return half(*builder_, v, false); }
Value* Ir::upper_half(Value* v) { return half(*builder_, v, true); }
Value* Ir::lane(Value* v, int i) { return builder_->CreateExtractElement(v, static_cast<uint64_t>(i)); }

Value* Ir::local(int64_t bytes) {
  return at_end_of(&function_.getEntryBlock(), [&] {
    llvm::AllocaInst* area = builder_->CreateAlloca(llvm::ArrayType::get(builder_->getInt8Ty(), static_cast<uint64_t>(bytes)));
    area->setAlignment(llvm::Align(64));
    return area;
  });
}
Value* Ir::at(Value* address, Value* bytes) { return builder_->CreateGEP(builder_->getInt8Ty(), address, bytes); }
Value* Ir::bits_of(Value* address) { return builder_->CreatePtrToInt(address, builder_->getInt64Ty()); }
Value* Ir::load_number(Value* address) { return builder_->CreateLoad(builder_->getInt64Ty(), address); }
Value* Ir::load_pointer(Value* address) { return builder_->CreateLoad(builder_->getPtrTy(), address); }
void Ir::fence_streams() { builder_->CreateIntrinsic(Intrinsic::x86_sse_sfence, {}, {}); }

Value* Ir::loop(Value* begin, Value* end, int64_t step, Values& carried, const std::function<void(Value* i)>& body) {
  Block before = block();
  Block head = new_block("loop");
  Block exit = new_block("done");
  Value* last = sub(end, number(step));
  builder_->CreateCondBr(builder_->CreateICmpSLE(begin, last), head, exit);

  builder_->SetInsertPoint(head);
  llvm::PHINode* i = builder_->CreatePHI(begin->getType(), 2);
  const Values initial = carried;
  std::vector<llvm::PHINode*> entering;
  for (Value*& v : carried) v = entering.emplace_back(builder_->CreatePHI(v->getType(), 2));
  body(i);
  Value* next = add(i, number(step));
  Block latch = block();
  builder_->CreateCondBr(builder_->CreateICmpSLE(next, last), head, exit);
  i->addIncoming(begin, before);
  i->addIncoming(next, latch);

  builder_->SetInsertPoint(exit);
  for (size_t c = 0; c < carried.size(); ++c) {
    entering[c]->addIncoming(initial[c], before);
    entering[c]->addIncoming(carried[c], latch);
    carried[c] = merge(*builder_, {before, initial[c]}, {latch, carried[c]});
  }
  return merge(*builder_, {before, begin}, {latch, next});
}

Value* Ir::loop(Value* begin, Value* end, int64_t step, const std::function<void(Value* i)>& body) {
  Values none;
  return loop(begin, end, step, none, body);
}

void Ir::loop_by(Value* begin, Value* end, const std::function<Value*(Value* i)>& body) {
  Block before = block();
  Block head = new_block("head");
  Block inside = new_block("body");
  Block exit = new_block("done");
  builder_->CreateBr(head);
  builder_->SetInsertPoint(head);
  llvm::PHINode* i = builder_->CreatePHI(begin->getType(), 2);
  builder_->CreateCondBr(less(i, end), inside, exit);
  builder_->SetInsertPoint(inside);
  Value* step = body(i);
  i->addIncoming(begin, before);
  i->addIncoming(add(i, step), block());
  builder_->CreateBr(head);
  builder_->SetInsertPoint(exit);
}

void Ir::when(Value* condition, Values& carried, const std::function<void()>& body) {
  Block before = block();
  Block then = new_block("then");
  Block exit = new_block("done");
  builder_->CreateCondBr(condition, then, exit);
  builder_->SetInsertPoint(then);
  const Values initial = carried;
  body();
  Block after = block();
  builder_->CreateBr(exit);
  builder_->SetInsertPoint(exit);
  for (size_t c = 0; c < carried.size(); ++c) carried[c] = merge(*builder_, {before, initial[c]}, {after, carried[c]});
}

void Ir::when(Value* condition, const std::function<void()>& body) {
  Values none;
  when(condition, none, body);
}

void Ir::either(Value* condition, const std::function<void()>& then, const std::function<void()>& otherwise) {
  Block one = new_block("then");
  Block other = new_block("else");
  Block exit = new_block("done");
  builder_->CreateCondBr(condition, one, other);
  for (const auto& [way, body] : {std::pair{one, &then}, std::pair{other, &otherwise}}) {
    builder_->SetInsertPoint(way);
    (*body)();
    builder_->CreateBr(exit);
  }
  builder_->SetInsertPoint(exit);
}

Block Ir::block() const { return builder_->GetInsertBlock(); }

Value* Ir::at_end_of(Block where, const std::function<Value*()>& make) {
  llvm::IRBuilderBase::InsertPointGuard guard(*builder_);
  if (llvm::Instruction* terminator = where->getTerminator()) builder_->SetInsertPoint(terminator);
  else builder_->SetInsertPoint(where);
  return make();
}

Block Ir::new_block(const char* name) { return llvm::BasicBlock::Create(builder_->getContext(), name, &function_); }

}  // namespace kiln::codegen::llvm_ir
