// requires_grad, grad, backward: the tape from Python.
#include "eager/tape.h"

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

}  // namespace

void add_autograd_methods(Methods& methods) {
  methods.push_back(
      {"requires_grad_", requires_grad_in_place, METH_VARARGS, "Asks for gradients (or, with False, no longer); gives the tensor back."});
  methods.push_back(
      {"backward", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(backward)), METH_VARARGS | METH_KEYWORDS,
       "backward(gradient=None, retain_graph=False, create_graph=False)\n\nAdds d(self . gradient)/d(leaf) to the grad of every "
       "leaf that requires grad. Without a gradient the tensor must have one element."});
  methods.push_back({"detach", detach, METH_NOARGS, "The same memory, off the tape."});
}

void add_autograd_getters(Getters& getters) {
  getters.push_back({"requires_grad", get_requires_grad, assign_requires_grad, "Are operators on it put on the tape?", nullptr});
  getters.push_back({"grad", get_grad, assign_grad, "The gradient that backward() has accumulated, or None.", nullptr});
  getters.push_back({"is_leaf", get_is_leaf, nullptr, "Was it made by the user rather than by a differentiated operator?", nullptr});
  getters.push_back({"grad_fn", get_grad_fn, nullptr, "The operator that made it, if it is on the tape.", nullptr});
}

void bind_autograd(py::module_& m) {
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
