// requires_grad, grad, backward: the tape from Python.
#include "eager/backward.h"

#include <pybind11/stl.h>

#include "python/bindings/modules.h"
#include "python/bindings/tensor_type.h"

namespace kiln::python {

using eager::Tensor;

namespace {

PyObject* get_requires_grad(PyObject* self, void*) { return PyBool_FromLong(unwrap(self).requires_grad()); }

int assign_requires_grad(PyObject* self, PyObject* value, void*) {
  return guarded(
      [&] {
        if (value == nullptr || !PyBool_Check(value)) fail(ErrorCode::type, "requires_grad must be a bool");
        eager::set_requires_grad(unwrap(self), value == Py_True);
        return 0;
      },
      -1);
}

PyObject* requires_grad_in_place(PyObject* self, PyObject* args) {
  return guarded([&]() -> PyObject* {
    int wanted = 1;
    if (!PyArg_ParseTuple(args, "|p", &wanted)) return nullptr;
    eager::set_requires_grad(unwrap(self), wanted != 0);
    return Py_NewRef(self);
  });
}

PyObject* get_grad(PyObject* self, void*) {
  const auto& autograd = unwrap(self).impl()->autograd;
  return wrap(autograd && autograd->grad ? *autograd->grad : Tensor());
}

int assign_grad(PyObject* self, PyObject* value, void*) {
  return guarded(
      [&] {
        const bool none = value == nullptr || value == Py_None;
        if (!none && !is_tensor(value)) fail(ErrorCode::type, "grad must be a tensor or None, not " + std::string(Py_TYPE(value)->tp_name));
        eager::set_grad(unwrap(self), none ? Tensor() : unwrap(value));
        return 0;
      },
      -1);
}

PyObject* get_is_leaf(PyObject* self, void*) { return PyBool_FromLong(unwrap(self).is_leaf()); }

PyObject* get_grad_fn(PyObject* self, void*) {
  const Tensor& t = unwrap(self);
  if (t.is_leaf()) Py_RETURN_NONE;
  const std::string_view name = t.impl()->autograd->node->op->name;
  return PyUnicode_FromStringAndSize(name.data(), static_cast<Py_ssize_t>(name.size()));
}

PyObject* backward(PyObject* self, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    static const char* names[] = {"gradient", "retain_graph", "create_graph", nullptr};
    PyObject* gradient = Py_None;
    int retain = -1, create = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|Opp", const_cast<char**>(names), &gradient, &retain, &create)) return nullptr;
    if (gradient != Py_None && !is_tensor(gradient))
      fail(ErrorCode::type, "backward: gradient must be a tensor or None, not " + std::string(Py_TYPE(gradient)->tp_name));
    {
      const Tensor seed = gradient == Py_None ? Tensor() : unwrap(gradient);
      const Tensor root = unwrap(self);
      Unlocked unlocked(true);
      eager::backward(root, seed, retain == -1 ? create : retain, create);
    }
    Py_RETURN_NONE;
  });
}

PyObject* detach(PyObject* self, PyObject*) {
  return guarded([&] { return wrap(eager::detach(unwrap(self))); });
}

// ---- Python on the tape ---------------------------------------------------------------------------------------------

// A gradient rule, function(data, gradients) -> gradients, or a hook, function(gradient) -> gradient or None.
class PythonFunction final : public eager::HostFunction {
 public:
  PythonFunction(py::object function, py::object data, bool hook) : function_(std::move(function)), data_(std::move(data)), hook_(hook) {}
  ~PythonFunction() override {
    if (!Py_IsInitialized()) {
      function_.release();
      data_.release();
      return;
    }
    const py::gil_scoped_acquire locked;
    function_ = {};
    data_ = {};
  }

  eager::Tensors operator()(std::span<const Tensor> gradients) override {
    const py::gil_scoped_acquire locked;
    const py::object function = function_;  // a hook may remove itself
    return hook_ ? results(function(gradients[0]), gradients) : results(function(data_, tuple(gradients)), gradients);
  }
  bool active() const override { return static_cast<bool>(function_); }
  std::string input_name(size_t i) const override {
    const py::gil_scoped_acquire locked;
    return py::str(function_.attr("input_name")(data_, i));
  }
  void remove() { function_ = {}; }

  const py::object& data() const { return data_; }
  // What a pass that stops here shows: the function, its data, the gradients.
  py::tuple shown(std::span<const Tensor> gradients) const { return py::make_tuple(function_, data_, tuple(gradients)); }

  // What the function gave, as the pass takes it.
  eager::Tensors results(const py::object& given, std::span<const Tensor> gradients) const {
    if (!hook_) return given.cast<eager::Tensors>();
    if (given.is_none()) return {gradients[0]};
    if (!is_tensor(given.ptr()))
      fail(ErrorCode::type, "a hook must give a tensor or None, not " + std::string(Py_TYPE(given.ptr())->tp_name));
    return {unwrap(given.ptr())};
  }

 private:
  static py::tuple tuple(std::span<const Tensor> gradients) {
    py::tuple made(gradients.size());
    for (size_t i = 0; i < gradients.size(); ++i) made[i] = py::cast(gradients[i]);
    return made;
  }
  py::object function_, data_;
  const bool hook_;
};

// What register_hook gives.
class HookHandle {
 public:
  explicit HookHandle(eager::Ref<PythonFunction> hook) : hook_(std::move(hook)) {}
  void remove() { hook_->remove(); }

 private:
  eager::Ref<PythonFunction> hook_;
};

PyObject* register_hook(PyObject* self, PyObject* function) {
  return guarded([&] {
    if (!PyCallable_Check(function))
      fail(ErrorCode::type, "register_hook: a hook is a function of the gradient, not " + std::string(Py_TYPE(function)->tp_name));
    if (eager::is_transforming())
      fail(ErrorCode::runtime, "register_hook: a function that vmap transforms cannot register hooks; do it outside");
    const eager::Ref<PythonFunction> hook(new PythonFunction(py::reinterpret_borrow<py::object>(function), py::none(), true));
    eager::add_hook(unwrap(self), eager::Ref<eager::HostFunction>(hook.get()));
    return py::cast(HookHandle(hook)).release().ptr();
  });
}

// A pass that Python drives, step by step, and calls what stands on the tape itself. For recordings of captured functions.
class SteppedPass {
 public:
  SteppedPass(const std::vector<Tensor>& roots, const std::vector<Tensor>& seeds, const std::vector<Tensor>& targets, bool retain_graph,
              bool create_graph)
      : pass_(retain_graph || create_graph, create_graph), targets_(targets.size()) {
    for (size_t i = 0; i < roots.size(); ++i) pass_.add_root(roots[i], seeds[i]);
    for (const Tensor& t : targets) {
      if (!t.requires_grad()) fail(ErrorCode::runtime, "gradients: an input does not require grad");
      pass_.add_target(t);
    }
    pass_.start();
  }

  py::object next() {
    stop_ = pass_.next();
    return stop_ ? function().shown(stop_->gradients) : py::object(py::none());
  }
  void resume(const py::object& given) {
    if (!stop_) fail(ErrorCode::runtime, "the pass waits for nothing");
    pass_.resume(function().results(given, stop_->gradients));
    stop_.reset();
  }
  // Of the targets, or where there are none, of all leaves, into their grad.
  py::object finish() {
    if (targets_ == 0) {
      pass_.commit();
      return py::none();
    }
    eager::Tensors gradients;
    for (size_t i = 0; i < targets_; ++i) gradients.push_back(pass_.of_target(i));
    return py::cast(gradients);
  }

 private:
  const PythonFunction& function() const { return static_cast<const PythonFunction&>(*stop_->function); }
  eager::BackwardPass pass_;
  const size_t targets_;
  std::optional<eager::BackwardPass::Stop> stop_;
};

}  // namespace

void add_autograd_methods(Methods& methods) {
  methods.push_back(
      {"requires_grad_", requires_grad_in_place, METH_VARARGS, "Asks for gradients (or, with False, no longer); gives the tensor back."});
  methods.push_back(
      {"backward", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(backward)), METH_VARARGS | METH_KEYWORDS,
       "backward(gradient=None, retain_graph=False, create_graph=False)\n\nAdds d(self . gradient)/d(leaf) to the grad of every "
       "leaf that requires grad. Without a gradient the tensor must have one element."});
  methods.push_back({"detach", detach, METH_NOARGS, "The same memory, off the tape."});
  methods.push_back(
      {"register_hook", register_hook, METH_O,
       "register_hook(hook)\n\nhook(gradient) is called when the tensor's whole gradient has come, and may give another one of "
       "the same type. Gives a handle with remove()."});
}

void add_autograd_getters(Getters& getters) {
  getters.push_back({"requires_grad", get_requires_grad, assign_requires_grad, "Are operators on it put on the tape?", nullptr});
  getters.push_back({"grad", get_grad, assign_grad, "The gradient that backward() has accumulated, or None.", nullptr});
  getters.push_back({"is_leaf", get_is_leaf, nullptr, "Was it made by the user rather than by a differentiated operator?", nullptr});
  getters.push_back({"grad_fn", get_grad_fn, nullptr, "The operator that made it, if it is on the tape.", nullptr});
}

void bind_autograd(py::module_& m) {
  py::class_<HookHandle>(m, "RemovableHandle", "What registering a hook gives.")
      .def("remove", &HookHandle::remove, "Takes the hook away; nothing happens if it is gone.");
  m.def(
      "depends_on_others",
      [](const std::vector<Tensor>& tensors, const std::vector<Tensor>& inputs) { return eager::depends_on_others(tensors, inputs); },
      py::arg("tensors"), py::arg("inputs"), "Is there anything on the tape behind the tensors but the leaves among the inputs?");
  m.def("has_hooks", &eager::has_hooks, "Does somebody wait for this leaf's gradient?");
  m.def(
      "attach_rule",
      [](py::object function, py::object data, const std::vector<Tensor>& inputs, const std::vector<Tensor>& outputs) {
        return eager::attach(new PythonFunction(std::move(function), std::move(data), false), inputs, outputs);
      },
      py::arg("function"), py::arg("data"), py::arg("inputs"), py::arg("outputs"),
      "The outputs anew, on the tape as a function of the inputs: function(data, gradients of outputs) gives the inputs' gradients.");
  m.def(
      "is_made_by_rule",
      [](const Tensor& t, const py::object& data) {
        const auto& state = t.impl()->autograd;
        return state && state->node && state->node->rule && static_cast<const PythonFunction&>(*state->node->rule).data().is(data);
      },
      py::arg("tensor"), py::arg("data"), "Has attach_rule given this tensor, with this data?");
  m.def("is_transforming", &eager::is_transforming, "Does a function run to be transformed?");
  py::class_<SteppedPass>(m, "SteppedPass", "A backward pass that stops where Python is to be called.")
      .def(py::init<const std::vector<Tensor>&, const std::vector<Tensor>&, const std::vector<Tensor>&, bool, bool>(), py::arg("roots"),
           py::arg("seeds"), py::arg("targets"), py::arg("retain_graph"), py::arg("create_graph"))
      .def("next", &SteppedPass::next, "(function, data, gradients) to be called, or None at the end.")
      .def("resume", &SteppedPass::resume, py::arg("given"), "What the call gave.")
      .def("finish", &SteppedPass::finish, "The targets' gradients, or, without targets, None: they are in the leaves' grad.");
  m.def("is_grad_enabled", &eager::grad_enabled, "Are operators put on the tape in this thread?");
  m.def("set_grad_enabled", &eager::set_grad_enabled, py::arg("enabled"));
  m.def(
      "gradients",
      [](const std::vector<Tensor>& roots, const std::vector<Tensor>& seeds, const std::vector<Tensor>& inputs, bool retain_graph,
         bool create_graph) {
        Unlocked unlocked(true);
        return eager::gradients(roots, seeds, inputs, retain_graph, create_graph);
      },
      py::arg("roots"), py::arg("seeds"), py::arg("inputs"), py::arg("retain_graph") = false, py::arg("create_graph") = false,
      "d(sum of root . seed)/d(input) for each input: tensors, or None where nothing depends on it. A None seed is 1 for a scalar root.");
}

}  // namespace kiln::python
