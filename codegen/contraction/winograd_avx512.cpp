#include <immintrin.h>

#include "codegen/contraction/winograd.h"

// Only what follows may use AVX-512: inline functions of the headers above may end up in other files' code.
#pragma GCC target("avx512f")
#include "codegen/contraction/vector_avx512.h"
#include "codegen/contraction/winograd_transforms.h"

namespace kiln::codegen {

const WinogradTransforms& avx512_winograd_transforms() { return Transforms<Avx512>::kTable; }

}  // namespace kiln::codegen
