// Captured functions: kiln._core.Captured wraps a callable; while a call of it runs, operators of this thread are deferred (tracer/recorder.h).
// What it ran is told by records that python/kiln/explain.py turns into text.
#include <frameobject.h>
#include <pybind11/stl.h>
#include <structmember.h>

#include <chrono>
#include <new>

#include "codegen/compiler.h"
#include "codegen/tunables.h"
#include "python/bindings/imported.h"
#include "python/bindings/modules.h"
#include "python/bindings/own_attributes.h"
#include "python/bindings/replay_frozen.h"
#include "python/bindings/replay_loop.h"
#include "python/bindings/tensor_type.h"
#include "python/bindings/versions.h"
#include "python/bindings/watched.h"
#include "tracer/ambient.h"
#include "tracer/explain.h"
#include "tracer/front_end.h"
#include "tracer/pace.h"
#include "tracer/recorder.h"

namespace kiln::python {
namespace {

struct CapturedObject {
  PyObject_HEAD PyObject* function;
  PyObject* dict;
  PyObject* weak_references;
  std::shared_ptr<tracer::FunctionRecord> record;
  std::optional<codegen::BackendKind> backend;
  std::shared_ptr<ReplayTree> replays;  // never null; a run that waits keeps its own
  bool deferred;                        // false: calls go straight through (KILN_JIT=0, generator functions, ...)
  bool replayable;                      // as made: may calls run without Python?
  bool replayed;                        // may they still?
  bool recordable;                      // may a call be recorded, if no replay fits?
  uint64_t recorded_from;               // this call on: the first makes what later ones find: state, caches, the kernels
  bool forced;                          // mode="replay": is a call that has to run in Python an error, once the first has?
  int misses;                           // calls that no recording fitted, less those that one did, once nothing more is recorded
  bool measured;                        // may calls go the way that takes least time?
  tracer::Pace pace;
  bool timing;  // is a call being timed?
};

constexpr int kMostMisses = 64;

// kiln.capture's: (captured, args, kwargs, failed instruction) -> the call's result, or `not_recorded`.
PyObject* record_call = nullptr;
PyObject* not_recorded = nullptr;
// kiln.capture.verify's: (captured, args, kwargs) -> the call's result, by both ways, or `not_recorded`: it has to run in Python.
PyObject* verify_call = nullptr;
thread_local int plain_calls = 0;  // above 0: captured functions are called as if they were not

CapturedObject* object(PyObject* o) { return reinterpret_cast<CapturedObject*>(o); }

PyObject* captured_type = nullptr;

// The argument of a function of this file's.
CapturedObject* captured_of(const py::object& o) {
  const int is = PyObject_IsInstance(o.ptr(), captured_type);
  if (is < 0) throw py::error_already_set();
  if (is == 0) fail(ErrorCode::type, std::string("what kiln.jit makes is wanted here, not ") + Py_TYPE(o.ptr())->tp_name);
  return object(o.ptr());
}

// Runs what is still pending; a failure becomes Python's unless an exception of the function itself is on its way out.
bool finish(tracer::SegmentScope& scope, eager::FlushReason reason) {
  try {
    scope.end(reason);
    return true;
  } catch (...) {
    set_python_error();
    return false;
  }
}

// The call by the recording interpreter. False: it was taken back, and nothing has happened.
bool record(PyObject* self, PyObject* args, PyObject* kwargs, int32_t failed, tracer::SegmentScope& scope, PyObject** result) {
  const Trial trial(*scope.trial());
  trial.recorder().set_revocable(true);
  const py::object place = py::int_(failed);
  *result = PyObject_CallFunctionObjArgs(record_call, self, args, kwargs ? kwargs : Py_None, place.ptr(), nullptr);
  if (*result != nullptr && *result != not_recorded) {
    trial.recorder().set_revocable(false);
    if (!finish(scope, eager::FlushReason::function_end)) Py_CLEAR(*result);
    return true;
  }
  PyObject *type, *value, *trace;
  PyErr_Fetch(&type, &value, &trace);
  trial.take_back();
  PyErr_Restore(type, value, trace);
  if (*result == nullptr) return true;  // interrupted
  Py_CLEAR(*result);
  return false;
}

// The call without Python, or recorded. False: neither is possible, and nothing has happened.
bool attempt(PyObject* self, PyObject* args, PyObject* kwargs, tracer::SegmentScope& scope, PyObject** result) {
  CapturedObject* c = object(self);
  if (!c->replayed || scope.trial() == nullptr) return false;
  int32_t failed = -1;
  if (!c->replays->empty()) {
    const std::shared_ptr<ReplayTree> tree = c->replays;
    const ReplayResult replayed = replay(*tree, *c->record, args, kwargs, scope);
    c->misses = std::max(0, c->misses + (replayed.outcome == ReplayOutcome::refused && !c->recordable ? 1 : -1));
    if (c->misses > kMostMisses && !c->forced) c->replayed = false;  // what is tried in vain makes calls slower
    if (replayed.outcome == ReplayOutcome::done) c->record->replays.fetch_add(1, std::memory_order_relaxed);
    *result = replayed.value;
    if (replayed.outcome != ReplayOutcome::refused) return true;
    failed = replayed.failed_instruction;
  }
  if (c->record->calls < c->recorded_from) return false;
  if (!c->recordable && !c->forced) return false;
  c->pace.unsettle();
  return record(self, args, kwargs, failed, scope, result);
}

// Is every call that runs without Python compared with Python's?
bool verifies(const CapturedObject* c) {
  return c->replayed && codegen::value(codegen::Tunable::verify) != 0 && !tracer::in_captured_call() && verify_call != nullptr;
}

// A call with operators deferred, by replay if `replayed`.
PyObject* call_deferred(PyObject* self, PyObject* args, PyObject* kwargs, bool replayed) {
  CapturedObject* c = object(self);
  if (watched()) return PyObject_Call(c->function, args, kwargs);
  const codegen::BackendScope backend(c->backend);
  PyObject* result = nullptr;
  const bool verified = verifies(c);
  if (verified) {
    result = PyObject_CallFunctionObjArgs(verify_call, self, args, kwargs ? kwargs : Py_None, nullptr);
    if (result != not_recorded) return result;
    Py_CLEAR(result);
  }
  tracer::SegmentScope scope(c->record);
  if (replayed && !verified && attempt(self, args, kwargs, scope, &result)) return result;
  result = PyObject_Call(c->function, args, kwargs);
  if (result == nullptr) {
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    if (!finish(scope, eager::FlushReason::exception)) PyErr_Clear();  // the values stay pending; whoever reads them gets the error
    PyErr_Restore(type, value, trace);
    return nullptr;
  }
  if (!finish(scope, eager::FlushReason::function_end)) Py_CLEAR(result);
  return result;
}

// What a call does but for running in Python, for verification. (Python's run counts the call that is none here.)
PyObject* attempt_call(PyObject* self, PyObject* args, PyObject* kwargs) {
  tracer::SegmentScope scope(object(self)->record);
  PyObject* result = nullptr;
  if (attempt(self, args, kwargs, scope, &result)) return result;
  object(self)->record->calls.fetch_sub(1, std::memory_order_relaxed);
  return Py_NewRef(not_recorded);
}

PyObject* call_plainly(PyObject* function, PyObject* args, PyObject* kwargs) {
  const tracer::AmbientPause pause;
  ++plain_calls;
  PyObject* result = PyObject_Call(function, args, kwargs);
  --plain_calls;
  return result;
}

// An undeferred call that is timed is undeferred all through: captured functions inside have yet to find their own way.
thread_local bool undeferred_all_through = false;

PyObject* call_eagerly(CapturedObject* c, PyObject* args, PyObject* kwargs) {
  c->record->calls.fetch_add(1, std::memory_order_relaxed);
  return PyObject_Call(c->function, args, kwargs);
}

PyObject* call(PyObject* self, PyObject* args, PyObject* kwargs) {
  CapturedObject* c = object(self);
  if (!c->deferred || plain_calls > 0 || undeferred_all_through) return PyObject_Call(c->function, args, kwargs);
  if (!c->measured || eager::current_recorder() != nullptr || codegen::value(codegen::Tunable::measure_ways) == 0 || verifies(c))
    return call_deferred(self, args, kwargs, c->replayed);
  if (c->timing)  // of another thread, or around a kn.disable in this one
    return c->pace.way() == tracer::Way::eager ? call_eagerly(c, args, kwargs) : call_deferred(self, args, kwargs, c->replayed);
  c->pace.set_replayed(c->replayed && !c->replays->empty());
  const auto [way, timed] = c->pace.next();
  const auto go = [&, way = way] {
    return way == tracer::Way::eager ? call_eagerly(c, args, kwargs)
                                     : call_deferred(self, args, kwargs, c->replayed && way == tracer::Way::replay);
  };
  if (!timed) return go();
  c->timing = true;
  undeferred_all_through = way == tracer::Way::eager;
  const auto start = std::chrono::steady_clock::now();
  PyObject* result = go();
  c->pace.took(static_cast<uint64_t>(std::chrono::nanoseconds(std::chrono::steady_clock::now() - start).count()));
  c->timing = undeferred_all_through = false;
  return result;
}

PyObject* make_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  static const char* const names[] = {"function", "name", "backend", "full_graph", "deferred", "replayed", "forced", "measured", nullptr};
  PyObject* function = nullptr;
  const char *name = "", *backend = "auto";
  int full_graph = 0, deferred = 1, replayed = 0, forced = 0, measured = 0;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "Os|sppppp", const_cast<char**>(names), &function, &name, &backend, &full_graph, &deferred,
                                   &replayed, &forced, &measured))
    return nullptr;
  return guarded([&]() -> PyObject* {
    const auto kind = codegen::backend_named(backend);
    PyObject* made = type->tp_alloc(type, 0);
    if (made == nullptr) return nullptr;
    CapturedObject* c = object(made);
    c->function = Py_NewRef(function);
    new (&c->record) std::shared_ptr<tracer::FunctionRecord>(std::make_shared<tracer::FunctionRecord>(name));
    new (&c->backend) std::optional<codegen::BackendKind>(kind);
    c->record->full_graph = full_graph != 0;
    new (&c->replays) std::shared_ptr<ReplayTree>(std::make_shared<ReplayTree>());
    c->deferred = deferred != 0;
    c->replayable = c->replayed = c->recordable = replayed != 0;
    c->recorded_from = 2;
    c->forced = forced != 0;
    c->misses = 0;
    c->measured = measured != 0;
    new (&c->pace) tracer::Pace(full_graph == 0);  // what needs a value early is to be told
    c->timing = false;
    return made;
  });
}

int traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(object(self)->function);
  Py_VISIT(object(self)->dict);
  return object(self)->replays ? object(self)->replays->traverse(visit, arg) : 0;
}

int clear(PyObject* self) {
  Py_CLEAR(object(self)->function);
  Py_CLEAR(object(self)->dict);
  if (object(self)->replays) object(self)->replays = std::make_shared<ReplayTree>();
  return 0;
}

void deallocate(PyObject* self) {
  PyObject_GC_UnTrack(self);
  if (object(self)->weak_references) PyObject_ClearWeakRefs(self);
  clear(self);
  object(self)->record.~shared_ptr();
  object(self)->backend.~optional();
  object(self)->replays.~shared_ptr();
  PyTypeObject* type = Py_TYPE(self);
  type->tp_free(self);
  Py_DECREF(type);
}

py::dict program_record(const tracer::Program& p) {
  const tracer::ProgramInfo& info = p.info();
  py::dict d;
  d["operations"] = info.operations;
  d["kernels"] = info.kernels;
  d["contractions"] = info.contractions;
  d["launches"] = info.launches;
  d["compile_ms"] = info.compile_ms;
  d["arena_bytes"] = info.arena_bytes;
  d["live_bytes"] = info.live_bytes;
  d["lent_bytes"] = info.lent_bytes;
  d["scratch_bytes"] = info.scratch_bytes;
  d["moved_bytes"] = info.moved_bytes;
  d["least_bytes"] = info.least_bytes;
  py::list costs;
  for (const tracer::StepCost& c : info.costs) costs.append(py::make_tuple(c.bytes, c.contraction));
  d["costs"] = costs;
  d["calls"] = info.calls;
  d["times"] = p.times();
  d["steps"] = info.steps;
  d["reasons"] = info.reasons;
  d["code"] = p.code();
  return d;
}

// The line of the innermost frame that is not of Kiln's own Python files.
std::string source_location() {
  static const std::string own = [] {
    const auto file = imported("kiln").attr("__file__").cast<std::string>();
    return file.substr(0, file.rfind('/') + 1);
  }();
  const py::gil_scoped_acquire locked;  // what waits for a value may have given it up
  PyFrameObject* frame = PyEval_GetFrame();
  Py_XINCREF(frame);
  std::string where;
  while (frame != nullptr) {
    PyCodeObject* code = PyFrame_GetCode(frame);
    const char* file = PyUnicode_AsUTF8(code->co_filename);
    where = (file ? std::string(file) : std::string("?")) + ":" + std::to_string(PyFrame_GetLineNumber(frame));
    Py_DECREF(code);
    PyFrameObject* const caller = where.starts_with(own) ? PyFrame_GetBack(frame) : nullptr;
    Py_DECREF(frame);
    if (caller == nullptr) break;
    frame = caller;
  }
  return where;
}

void* unlock() { return PyGILState_Check() ? PyEval_SaveThread() : nullptr; }
void relock(void* state) { PyEval_RestoreThread(static_cast<PyThreadState*>(state)); }

PyMemberDef members[] = {{"_function", T_OBJECT, offsetof(CapturedObject, function), READONLY, "The function that is captured."},
                         {"__dictoffset__", T_PYSSIZET, offsetof(CapturedObject, dict), READONLY, nullptr},
                         {"__weaklistoffset__", T_PYSSIZET, offsetof(CapturedObject, weak_references), READONLY, nullptr},
                         {}};

PyGetSetDef getters[] = {{"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr}, {}};

}  // namespace

// Everything explain() and lower() tell, as plain data; `text` of a trace is a function of the form asked for.
py::dict records_of(const tracer::FunctionRecord& record) {
  py::list traces;
  for (const tracer::TraceRecord& t : record.traces()) {
    py::dict d = program_record(*t.program);
    d["runs"] = t.runs;
    d["lines"] = t.lines;
    py::list flushes;
    for (const tracer::Flush& f : t.flushes) {
      py::dict flush;
      flush["reason"] = std::string(eager::describe(f.reason));
      flush["at_end"] = f.reason == eager::FlushReason::function_end;
      flush["where"] = f.where;
      flush["count"] = f.count;
      flushes.append(flush);
    }
    d["flushes"] = flushes;
    d["text"] = py::cpp_function([program = t.program](const std::string& what) { return program->text(what); });
    traces.append(d);
  }
  py::dict d;
  d["name"] = record.name;
  d["calls"] = record.calls.load();
  d["replays"] = record.replays.load();
  d["traces"] = traces;
  d["untold_runs"] = record.untold_runs();
  d["fallbacks"] = record.fallbacks();
  d["compile_ms"] = record.compile_ms();
  d["text"] = tracer::explain(record);
  return d;
}

// Instructions as kiln.capture has them: (operation, extra, result, operands); a loop's has its body behind: the registers that change, and
// instructions that end with the numbers of the next one and of the one otherwise.
static std::vector<ReplayInstruction> instructions_of(const ReplayTree& tree, const py::list& instructions) {
  const auto instruction = [](const py::tuple& t) {
    return ReplayInstruction{static_cast<ReplayOp>(t[0].cast<int>()), t[1].cast<uint8_t>(), t[2].cast<int32_t>(),
                             t[3].cast<std::vector<int32_t>>()};
  };
  std::vector<ReplayInstruction> made;
  for (const py::handle h : instructions) {
    const auto t = py::reinterpret_borrow<py::tuple>(h);
    made.push_back(instruction(t));
    if (made.back().op != ReplayOp::loop) continue;
    const auto [changing, nodes] = t[4].cast<std::pair<std::vector<int32_t>, py::list>>();
    std::vector<ReplayInstruction> body;
    for (const py::handle node : nodes) {
      const auto n = py::reinterpret_borrow<py::tuple>(node);
      body.push_back(instruction(n));
      body.back().next = n[4].cast<int32_t>();
      body.back().otherwise = n[5].cast<int32_t>();
    }
    made.back().loop = make_loop(changing, std::move(body), [&](int32_t o) { return tree.constant(o); });
  }
  return made;
}

// What kiln.capture adds its recordings with.
static void bind_recording(py::module_& m) {
  not_recorded = py::object(imported("builtins").attr("object")()).release().ptr();
  m.attr("not_recorded") = py::handle(not_recorded);
  py::list names;
  for (const std::string_view name : kReplayOpNames) names.append(std::string(name));
  m.attr("replay_ops") = py::tuple(names);
  m.attr("replay_unary") = py::tuple(py::cast(replay_unary_names()));
  m.def("install_recording", [](const py::object& function) { record_call = py::object(function).release().ptr(); });
  m.def("install_verification", [](const py::object& function) { verify_call = py::object(function).release().ptr(); });
  m.def("attempt_call", [](const py::object& captured, const py::tuple& args, const py::dict& kwargs) {
    PyObject* result = attempt_call(captured.ptr(), args.ptr(), kwargs.ptr());
    if (result == nullptr) throw py::error_already_set();
    return py::reinterpret_steal<py::object>(result);
  });
  m.def("call_plainly", [](const py::object& function, const py::tuple& args, const py::dict& kwargs) {
    PyObject* result = call_plainly(function.ptr(), args.ptr(), kwargs.ptr());
    if (result == nullptr) throw py::error_already_set();
    return py::reinterpret_steal<py::object>(result);
  });
  m.def("replay_constant",
        [](const py::object& captured, const py::object& o) { return captured_of(captured)->replays->add_constant(o.ptr()); });
  m.def("add_replay", [](const py::object& captured, const py::list& instructions) {
    ReplayTree& tree = *captured_of(captured)->replays;
    return tree.add(instructions_of(tree, instructions));
  });
  // Of a function that is being recorded: runs checks and reads, and the loop behind them as far as its ways so far go, given what registers
  // up to `registers` hold. What the registers that change hold then; None: nothing has been done.
  m.def("skip_iterations",
        [](const py::object& captured, const py::list& instructions, int32_t registers, const std::map<int32_t, py::object>& held) {
          const std::shared_ptr<ReplayTree> tree = captured_of(captured)->replays;
          auto* const recorder = dynamic_cast<tracer::SegmentRecorder*>(eager::current_recorder());
          std::optional<std::vector<py::object>> left;
          if (recorder != nullptr) left = skip_iterations(*tree, instructions_of(*tree, instructions), registers, held, *recorder);
          if (PyErr_Occurred() != nullptr) throw py::error_already_set();
          return left;
        });
  m.def("replay_instructions", [](const py::object& captured) {
    const ReplayTree& tree = *captured_of(captured)->replays;
    py::list all;
    for (size_t n = 0; n < tree.size(); ++n) {
      const ReplayInstruction& i = tree.at(n);
      all.append(
          py::make_tuple(std::string(kReplayOpNames[static_cast<size_t>(i.op)]), i.extra, i.result, i.operands, i.next, i.otherwise));
    }
    py::list constants;
    for (size_t n = 0; n < tree.constants(); ++n) constants.append(py::handle(tree.constant(~static_cast<int32_t>(n))));
    return py::make_tuple(all, constants);
  });
  m.def(
      "replay_loops",
      [](const py::object& captured) {
        const ReplayTree& tree = *captured_of(captured)->replays;
        std::vector<std::pair<uint64_t, py::object>> all;
        for (size_t n = 0; n < tree.size(); ++n) {
          const auto& loop = tree.at(n).loop;
          if (loop == nullptr) continue;
          all.emplace_back(loop->iterations, py::none());
          if (!loop->natives.empty() && loop->natives.front()->program.is_compiled())
            all.back().second =
                py::cpp_function([native = loop->natives.front()](const std::string& what) { return native->program.text(what); });
        }
        return all;
      },
      "Of a captured function's loops: how many iterations ran without Python's objects, and what gives the code (\"kernels\", \"asm\") "
      "of one that is compiled as a whole; None of another.");
  find_own_values();
  m.def(
      "own_attribute",
      [](const py::object& instance, const py::str& name, const py::object& otherwise) {
        PyObject* found = own_value(instance.ptr(), name.ptr());
        if (found == nullptr && PyErr_Occurred() != nullptr) throw py::error_already_set();
        return found == nullptr ? otherwise : py::reinterpret_borrow<py::object>(found);
      },
      py::arg("instance"), py::arg("name"), py::arg("otherwise"),
      "What an instance itself holds under a name, or `otherwise`: what instance.__dict__ would, which is not made.");
  m.attr("counts_changes_of_dicts") = kDictsCountChanges;  // of CPython: are there such witnesses?
  m.def(
      "replay_witnesses",
      [](const py::object& captured) {
        std::vector<std::tuple<size_t, size_t, uint64_t>> all;
        for (const auto& frozen : captured_of(captured)->replays->frozen())
          if (const auto& w = frozen->witnesses.newest()) all.emplace_back(w->words(), w->rest().size(), w->hits);
        return all;
      },
      "Of a captured function's frozen replays: how many words are compared, how many instructions are still run, and how often the words "
      "held.");
  m.def(
      "pause_recording",
      [](const py::object& captured, uint64_t calls) {
        CapturedObject* c = captured_of(captured);
        c->recorded_from = c->record->calls + calls;
      },
      "None of the next `calls` calls is recorded.");
  m.def("stop_recording", [](const py::object& captured) { captured_of(captured)->recordable = false; });
  m.def("plant_replay_fault", &plant_replay_fault, "For tests: checks of one kind, by its place in replay_ops, pass always; -1: none.");
  m.attr("look_kinds") = enumerator_names<eager::Look, 2>();
  m.def(
      "plant_look_fault",
      [](int kind) { eager::plant_look_fault(kind < 0 ? std::nullopt : std::optional(static_cast<eager::Look>(kind))); },
      "For tests: looks at tensors' values of one kind, by its place in look_kinds, are not noted; -1: all are.");
  m.def("is_off_tape", [](const std::vector<eager::Tensor>& tensors) {
    return !eager::grad_enabled() ||
           std::none_of(tensors.begin(), tensors.end(), [](const eager::Tensor& t) { return t && t.requires_grad(); });
  });
}

void bind_jit(py::module_& m) {
  static PyType_Slot slots[] = {
      {Py_tp_new, reinterpret_cast<void*>(make_new)},
      {Py_tp_dealloc, reinterpret_cast<void*>(deallocate)},
      {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
      {Py_tp_clear, reinterpret_cast<void*>(clear)},
      {Py_tp_call, reinterpret_cast<void*>(call)},
      {Py_tp_members, members},
      {Py_tp_getset, getters},
      {Py_tp_doc, const_cast<char*>("A callable whose operators are deferred and run fused; kiln.jit makes them.")},
      {0, nullptr}};
  static PyType_Spec spec{"kiln._core.Captured", sizeof(CapturedObject), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
                          slots};
  py::object type = py::reinterpret_steal<py::object>(PyType_FromSpec(&spec));
  if (!type) throw py::error_already_set();
  m.attr("Captured") = type;
  captured_type = py::object(type).release().ptr();
  m.def(
      "captured_records",
      [](const py::object& captured) {
        const CapturedObject* c = captured_of(captured);
        py::dict d = records_of(*c->record);
        tracer::Way way = c->deferred ? c->pace.way() : tracer::Way::eager;
        if (way == tracer::Way::replay && (!c->replayed || c->replays->empty())) way = tracer::Way::segments;
        py::dict microseconds;
        for (size_t n = 0; n < tracer::kWays && c->pace.measured(); ++n)
          if (const double ns = c->pace.nanoseconds(static_cast<tracer::Way>(n)); ns > 0)
            microseconds[py::str(std::string(tracer::name_of(static_cast<tracer::Way>(n))))] = ns / 1e3;
        d["way"] = std::string(tracer::name_of(way));
        d["way_microseconds"] = microseconds;
        return d;
      },
      "What a captured function ran, as plain data.");
  m.def(
      "call_deferred",
      [](const py::object& captured, const py::tuple& args, const py::dict& kwargs) {
        PyObject* result = call_deferred(captured.ptr(), args.ptr(), kwargs.ptr(), captured_of(captured)->replayed);
        if (result == nullptr) throw py::error_already_set();
        return py::reinterpret_steal<py::object>(result);
      },
      "Calls a captured function deferred, whatever its calls were measured to take.");
  m.def("clear_captured", [](const py::object& captured) {
    CapturedObject* c = captured_of(captured);
    c->record->clear();
    c->replays = std::make_shared<ReplayTree>();
    c->replayed = c->recordable = c->replayable;
    c->recorded_from = 2;
    c->misses = 0;
    c->pace = tracer::Pace(!c->record->full_graph);
  });
  bind_recording(m);
  bind_loops(m);
  m.def("clear_programs", [] { tracer::ProgramCache::instance().clear(); }, "Forgets all compiled programs.");
  m.def(
      "is_tracing", [] { return eager::current_recorder() != nullptr && !tracer::defers_ambient(); },
      "Is a captured function running on this thread, so that operators are deferred? (What kn.auto() defers looks as if it were not.)");
  const auto flush = [](eager::FlushReason reason) {
    if (eager::Recorder* r = eager::current_recorder()) r->flush(reason);
  };
  m.def("flush", [flush] { flush(eager::FlushReason::foreign_write); }, "Runs this thread's deferred operators.");
  // A child process gets values, not promises of them.
  imported("os").attr("register_at_fork")(py::arg("before") = py::cpp_function([flush] { flush(eager::FlushReason::fork); }));
  // Runs f undeferred inside a captured call. An export has no values to run on, and writes f down.
  m.def("call_undeferred", [](const py::function& f, const py::args& args, const py::kwargs& kwargs) {
    const tracer::AmbientPause pause;
    struct Restore {
      eager::Recorder* recorder = eager::current_recorder();
      ~Restore() { eager::set_recorder(recorder); }
    } restore;
    if (restore.recorder && restore.recorder->types_only()) return f(*args, **kwargs);
    if (restore.recorder) restore.recorder->flush(eager::FlushReason::unsupported);
    eager::set_recorder(nullptr);
    return f(*args, **kwargs);
  });
  tracer::install_front_end({source_location, unlock, relock});
}

}  // namespace kiln::python
