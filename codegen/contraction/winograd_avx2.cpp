#include "codegen/contraction/vector_avx2.h"
#include "codegen/contraction/winograd_transforms.h"

namespace kiln::codegen {

const WinogradTransforms& avx2_winograd_transforms() { return Transforms<Avx2>::kTable; }

}  // namespace kiln::codegen
