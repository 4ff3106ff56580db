// kiln._core: the module's parts, in the order in which they need each other.
#include "python/bindings/modules.h"

PYBIND11_MODULE(_core, m) {
  using namespace kiln::python;
  m.doc() = "Kiln's C++ core. Use it through the package kiln.";
  bind_errors(m);
  bind_dtypes(m);
  bind_operators(m);
  bind_tensor_type(m);
  bind_numpy(m);
  bind_dlpack(m);
  bind_autograd(m);
  bind_random(m);
  bind_config(m);
  bind_jit(m);
  bind_auto(m);
  bind_export(m);
  bind_simplify(m);
  bind_transform(m);
}
