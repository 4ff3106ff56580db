// The generator's seed and state.
#include "eager/generator.h"
#include "python/bindings/modules.h"

namespace kiln::python {

void bind_random(py::module_& m) {
  m.def("manual_seed", &eager::manual_seed, py::arg("seed"), "Seeds the generator: the same draws follow, eagerly and compiled.");
  m.def(
      "random_state",
      [] {
        const eager::GeneratorState s = eager::generator_state();
        return py::make_tuple(s.key, s.call);
      },
      "(seed, index of the next call): all there is to the generator.");
  m.def(
      "set_random_state", [](std::pair<int64_t, int64_t> state) { eager::set_generator_state({state.first, state.second}); },
      py::arg("state"));
}

}  // namespace kiln::python
