// Code that AsmJit has assembled, into the memory of codegen/code_memory.h.
#pragma once

#include <asmjit/core.h>

#include "codegen/code_memory.h"

namespace kiln::codegen::x64 {

CodeBlock place_code(asmjit::CodeHolder&);  // links, copies. Throws Error{memory}

}  // namespace kiln::codegen::x64
