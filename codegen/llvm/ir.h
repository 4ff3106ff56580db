// What our loops are made of: 64-bit integers, addresses and control flow as LLVM IR, without LLVM's headers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace llvm {
class BasicBlock;
class Function;
class IRBuilderBase;
class Value;
}  // namespace llvm

namespace kiln::codegen::llvm_ir {

using llvm::Value;
using Values = std::vector<Value*>;
using Block = llvm::BasicBlock*;

// Appends to a function that is empty at first. Code goes to the end of the present block; control flow moves it on.
class Ir {
 public:
  explicit Ir(llvm::Function&);
  ~Ir();
  llvm::IRBuilderBase& builder();

  Value* argument(unsigned i);
  void leave_with_zero();

  // i64, and i1 for comparisons.
  Value* number(int64_t);
  Value* add(Value*, Value*);
  Value* sub(Value*, Value*);
  Value* mul(Value*, Value*);
  Value* divide(Value*, Value*);  // of numbers that are not negative
  Value* bit_and(Value*, Value*);
  Value* bit_or(Value*, Value*);
  Value* minimum(Value*, Value*);
  Value* maximum(Value*, Value*);
  Value* ceil_divide(Value* n, int64_t power_of_two);
  Value* count_ones(Value*);
  Value* count_trailing_ones(Value*);
  Value* less(Value*, Value*);
  Value* equal(Value*, Value*);
  Value* select(Value* condition, Value* then, Value* otherwise);

  // Vectors.
  Value* splat(Value*, int width);
  Value* count_from(Value* first, int width);  // first, first + 1, ...
  Value* lower_half(Value*);
  Value* upper_half(Value*);
  Value* lane(Value*, int);

  // Memory.
  Value* local(int64_t bytes);              // in the frame, 64-byte aligned
  Value* at(Value* address, Value* bytes);  // the address so many bytes on
  Value* field(Value* address, size_t bytes) { return at(address, number(static_cast<int64_t>(bytes))); }
  Value* bits_of(Value* address);
  Value* load_number(Value* address);
  Value* load_pointer(Value* address);
  void fence_streams();  // orders streaming stores with what follows

  // Control flow. `carried` are values that go round; afterwards they hold what they are at the end.
  // for (i = begin; i + step <= end; i += step) body(i). Gives the i at which it ended.
  Value* loop(Value* begin, Value* end, int64_t step, Values& carried, const std::function<void(Value* i)>& body);
  Value* loop(Value* begin, Value* end, int64_t step, const std::function<void(Value* i)>& body);
  void loop_by(Value* begin, Value* end, const std::function<Value*(Value* i)>& body);  // body gives the step
  void when(Value* condition, Values& carried, const std::function<void()>& body);
  void when(Value* condition, const std::function<void()>& body);
  void either(Value* condition, const std::function<void()>& then, const std::function<void()>& otherwise);

  Block block() const;
  // The value `make` gives, made at the end of another block: before its terminator if it has one already.
  Value* at_end_of(Block, const std::function<Value*()>& make);

 private:
  Block new_block(const char* name);

  llvm::Function& function_;
  std::shared_ptr<llvm::IRBuilderBase> builder_;  // shared_ptr, as the base's destructor is not virtual
};

}  // namespace kiln::codegen::llvm_ir
