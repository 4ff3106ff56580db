// Threads, back ends, tunables, memory and kernel counters.
#include <pybind11/stl.h>

#include "codegen/allocator.h"
#include "codegen/compiler.h"
#include "codegen/contraction/contraction.h"
#include "codegen/cuda/driver.h"
#include "codegen/cuda/nvrtc.h"
#include "codegen/thread_pool.h"
#include "codegen/tunables.h"
#include "eager/operator.h"
#include "python/bindings/dtype_type.h"
#include "python/bindings/modules.h"

namespace kiln::python {
namespace {

using codegen::Tunable;
using codegen::TunableInfo;

const TunableInfo& tunable_named(const std::string& name) {
  for (const TunableInfo& t : codegen::kTunables)
    if (t.name == name) return t;
  throw py::attribute_error("kiln.config has no entry '" + name + "'");
}

py::dict tunable_record(const TunableInfo& t) {
  py::dict record;
  record["name"] = t.name;
  record["variable"] = t.variable;
  record["integer"] = t.is_integer;
  record["doc"] = t.doc;
  return record;
}

template <size_t n>
py::dict by_backend(const uint64_t (&counts)[n]) {
  py::dict record;
  for (size_t i = 0; i < n; ++i) record[py::str(codegen::kBackendNames[i])] = counts[i];
  return record;
}

std::string backend() {
  const auto forced = codegen::forced_backend();
  return forced ? std::string(codegen::name_of(*forced)) : "auto";
}

}  // namespace

void bind_config(py::module_& m) {
  m.attr("__version__") = KILN_VERSION;
  m.def("num_threads", &codegen::num_threads, "Threads that run kernels, the caller included.");
  m.def("set_num_threads", &codegen::set_num_threads, py::arg("n"), "Results never depend on it.");
  m.def("backend", &backend, "What runs kernels: auto, or the one back end that is forced.");
  m.def(
      "set_backend", [](const std::string& name) { codegen::force_backend(codegen::backend_named(name)); }, py::arg("name"),
      py::call_guard<py::gil_scoped_release>());
  m.def("default_dtype", [] { return dtype_object(eager::default_dtype()); }, "Dtype of floating results that no tensor decides.");
  m.def(
      "set_default_dtype",
      [](const py::object& dtype) {
        const auto t = dtype_from_python(dtype.ptr());
        if (!t) fail(ErrorCode::type, "set_default_dtype takes float32 or float64, not " + py::repr(dtype).cast<std::string>());
        // Operators that wait were called under the dtype that was the default then, and are taken apart when they run.
        if (eager::Recorder* r = eager::current_recorder(); r && *t != eager::default_dtype()) r->flush(eager::FlushReason::unsupported);
        eager::set_default_dtype(*t);
      },
      py::arg("dtype"));
  m.def("wait_for_compiles", &codegen::wait_for_compiles, py::call_guard<py::gil_scoped_release>(),
        "Until the background compiler is idle.");
  m.def("clear_kernel_cache", &codegen::clear_kernel_cache, "Forgets all compiled kernels.");
  m.def("set_nvrtc_path", &codegen::cuda::set_nvrtc_path, py::arg("path"), "Where libnvrtc.so is; before CUDA source is compiled.");
  m.def("set_dnnl_path", &codegen::set_dnnl_path, py::arg("path"), "Where libdnnl.so is; before the first contraction.");

  m.def("tunables", [] {
    py::list all;
    for (const TunableInfo& t : codegen::kTunables) all.append(tunable_record(t));
    return all;
  });
  m.def("tunable", [](const std::string& name) -> py::object {
    const TunableInfo& t = tunable_named(name);
    if (t.is_integer) return py::int_(codegen::value(t.tunable));
    return py::str(codegen::text(t.tunable));
  });
  m.def("set_tunable", [](const std::string& name, int64_t value) {
    const TunableInfo& t = tunable_named(name);
    if (!t.is_integer) fail(ErrorCode::value, "kiln.config." + name + " is set before the start, by " + t.variable);
    codegen::set_value(t.tunable, value);
  });

  m.def(
      "memory_stats",
      [] {
        const codegen::MemoryStats s = codegen::memory_stats();
        py::dict record;
        record["in_use"] = s.in_use;
        record["peak"] = s.peak;
        record["cached"] = s.cached;
        return record;
      },
      "Bytes of tensors: handed out now, the most since reset_peak_memory(), and kept for reuse.");
  m.def("reset_peak_memory", &codegen::reset_peak);
  m.def("release_cached_memory", &codegen::release_cached, "Gives memory kept for reuse back to the system.");
  m.def(
      "kernel_counters",
      [] {
        const codegen::KernelCounters c = codegen::counters();
        py::dict record;
        record["launches"] = by_backend(c.launches);
        record["compiles"] = by_backend(c.compiles);
        record["kernels"] = c.kernels;
        record["cancelled"] = c.cancelled;
        py::dict trials;
        trials["llvm"] = c.trials_llvm;
        trials["asmjit"] = c.trials_asmjit;
        record["trials_won"] = trials;
        py::dict disk;
        disk["hits"] = c.disk.hits;
        disk["misses"] = c.disk.misses;
        disk["rejected"] = c.disk.rejected;
        disk["stores"] = c.disk.stores;
        disk["failed_stores"] = c.disk.failed_stores;
        disk["evictions"] = c.disk.evictions;
        record["disk_cache"] = disk;
        return record;
      },
      "Launches and compilations by back end, kernels alive, compilations cancelled, trials won by back end, what the disk cache did.");
}

}  // namespace kiln::python
