#include <kiln/random.h>
#include <kiln/settings.h>

#include "codegen/compiler.h"
#include "codegen/thread_pool.h"
#include "eager/generator.h"
#include "eager/operator.h"

namespace kiln {

std::string_view version() { return KILN_VERSION; }

int num_threads() { return codegen::num_threads(); }
void set_num_threads(int n) { codegen::set_num_threads(n); }

DType default_dtype() { return eager::default_dtype(); }
void set_default_dtype(DType dtype) { eager::set_default_dtype(dtype); }

void wait_for_compiles() { codegen::wait_for_compiles(); }

void manual_seed(int64_t seed) { eager::manual_seed(seed); }

}  // namespace kiln
