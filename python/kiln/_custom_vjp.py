"""Functions with a gradient of their own: kiln.custom_vjp."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from kiln import _core, _tree, _vmap
from kiln._core import Tensor
from kiln._derivatives import Derivative

_zeros_like = _core.operators["zeros_like"]
_copy = _core.operators["copy"]


class custom_vjp(Derivative):
    """A function whose gradient is what another function says, in JAX's form:

        @kn.custom_vjp
        def f(x, y): ...
        f.defvjp(fwd, bwd)

    fwd(x, y) gives (f(x, y), residuals); bwd(residuals, cotangent) gives a tuple of gradients, one for each argument, built as the
    argument is, with None for no gradient. Arguments, value and residuals are trees. Where no argument asks for gradients f itself runs.
    Of arguments named by nondiff_argnums there are no gradients; bwd gets them first: bwd(*nondiff, residuals, cotangent).

    A gradient is differentiated again through what bwd does, and through what fwd did to make the residuals.
    """

    _name = "custom_vjp"

    def __init__(self, function: Callable, nondiff_argnums: tuple[int, ...] = ()) -> None:
        if not callable(function):
            raise TypeError(f"custom_vjp takes a function, not a {type(function).__name__}")
        self.__wrapped__ = function
        self._nondiff = tuple(nondiff_argnums)
        self._fwd = self._bwd = None
        # Made here, for bwd is recorded where a captured function calls it, and a recording reads no function's name.
        names = [n for i, n in enumerate(_names_of(function)) if i not in self._nondiff]
        self._arguments = tuple([f"argument '{n}' of {self._called()}" for n in names])

    def defvjp(self, fwd: Callable, bwd: Callable) -> None:
        """Says how f is computed where it is differentiated, and what its gradient is."""
        for name, function in (("fwd", fwd), ("bwd", bwd)):
            if not callable(function):
                raise TypeError(f"defvjp: {name} must be a function, not a {type(function).__name__}")
        self._fwd, self._bwd = fwd, bwd

    def __call__(self, *args, **kwargs):
        if self._fwd is None:
            raise TypeError(f"{self!r} has no gradient yet: call its defvjp(fwd, bwd)")
        if kwargs:
            args = self._positional(args, kwargs)
        nondiff = self._nondiff
        arguments = [x for i, x in enumerate(args) if i not in nondiff] if nondiff else list(args)
        leaves, structure = _tree.split(arguments)
        inputs = [x for x in leaves if isinstance(x, Tensor)]
        if not (_core.is_grad_enabled() and any(x.requires_grad for x in inputs)):
            return self.__wrapped__(*args)
        if any(_core.is_made_by_rule(x, self) for x in inputs):  # fwd calls the function itself
            return self.__wrapped__(*args)
        given = self._fwd(*self._marked(args, leaves, structure, inputs))
        if not isinstance(given, (tuple, list)) or len(given) != 2:
            raise TypeError(f"the fwd of {self._called()} must give a pair (value, residuals), not a {type(given).__name__}")
        outputs, of_value = _tree.split(given[0])
        for y in outputs:
            if not isinstance(y, Tensor):
                raise TypeError(f"the fwd of {self._called()} must give tensors as its value, and trees of them, not a {type(y).__name__}")
        residuals, of_residuals = _tree.split(given[1])
        places = tuple([i for i, x in enumerate(leaves) if isinstance(x, Tensor)])
        like = tuple([y.detach() for y in outputs]) if len(outputs) > 1 else ()  # of cotangents that do not come
        rest = tuple([args[i] for i in nondiff])
        data = (self, structure, places, of_value, like, rest, of_residuals, tuple(residuals))
        tracing = _vmap.current() if _core.is_transforming() else None
        if tracing is not None:  # the values that go on carry the rule, those that fwd made do not
            outputs = [_copy(y) for y in outputs]
        made = _core.attach_rule(run_bwd, data, inputs, outputs)
        if tracing is not None:
            tracing.note(_OnBatch(tracing, data, inputs, outputs))
        return _tree.join(of_value, made)

    def _marked(self, args: tuple, leaves: list[Any], structure: tuple, inputs: list[Tensor]) -> list[Any]:
        """The arguments for fwd: by their tensors' rule it can be seen that they are fwd's."""
        marked = iter(_core.attach_rule(_identity, self, inputs, inputs))
        arguments = iter(_tree.join(structure, [next(marked) if isinstance(x, Tensor) else x for x in leaves]))
        return [x if i in self._nondiff else next(arguments) for i, x in enumerate(args)]

    def _positional(self, args: tuple, kwargs: dict[str, Any]) -> tuple:
        bound = inspect.signature(self.__wrapped__).bind(*args, **kwargs)
        bound.apply_defaults()
        if bound.kwargs:
            raise TypeError(f"{self._called()} is called with keyword-only arguments {sorted(bound.kwargs)}, which its fwd cannot get")
        return bound.args

    def _called(self) -> str:
        return getattr(self.__wrapped__, "__name__", repr(self.__wrapped__))

    def argument(self, index: int) -> str:
        """One of the arguments that have gradients, for errors."""
        return self._arguments[index] if index < len(self._arguments) else f"argument {index}"


def _names_of(function: Callable) -> tuple[str, ...]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return ()
    return tuple(p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD))


def _identity(function: custom_vjp, gradients: tuple) -> list:
    return list(gradients)


def run_bwd(data: tuple, gradients: tuple) -> list:
    """The gradients of a call's tensors, by its bwd. `data` is what the call put on the tape."""
    function, structure, places, of_value, like, rest, of_residuals, residuals = data
    if len(gradients) > 1:
        gradients = [_zeros_like(y) if g is None else g for g, y in zip(gradients, like, strict=True)]
    given = function._bwd(*rest, _tree.join(of_residuals, residuals), _tree.join(of_value, gradients))
    parts = structure[2]
    if not isinstance(given, (tuple, list)) or len(given) != len(parts):
        what = f"{len(given)} of them" if isinstance(given, (tuple, list)) else f"a {type(given).__name__}"
        raise TypeError(f"the bwd of {function._called()} must give a tuple of {len(parts)} gradients, one for each argument, not {what}")
    found = []
    for i, (part, gradient) in enumerate(zip(parts, given, strict=True)):
        found += _tree.along(part, gradient, f"the gradient for {function.argument(i)}", none=True)
    found = [found[place] for place in places]
    for i, gradient in enumerate(found):
        if gradient is not None and not isinstance(gradient, Tensor):
            raise TypeError(f"the gradient for {input_name(data, i)} must be a tensor or None, not a {type(gradient).__name__}")
    return found


def input_name(data: tuple, index: int) -> str:
    """Which of the arguments, and what of it, one of the call's tensors was."""
    function, structure, places = data[:3]
    place = places[index]
    for i, part in enumerate(structure[2]):
        if place < _tree.leaves_of(part):
            return function.argument(i) + _tree.path_of(part, place)
        place -= _tree.leaves_of(part)
    raise IndexError(index)


run_bwd.input_name = _identity.input_name = input_name  # asked by the core, for errors


class _OnBatch:
    """A call in a function that vmap transforms: what goes on the tape of the batch for it, where there is one."""

    def __init__(self, run: Any, data: tuple, inputs: list[Tensor], outputs: list[Tensor]) -> None:
        self.run, self.data = run, data
        self.inputs = [run.recorder.use(x) for x in inputs]
        self.outputs = [run.recorder.use(y)[0] for y in outputs]
        self.residuals = [run.recorder.use(r) if isinstance(r, Tensor) else None for r in data[-1]]

    def __call__(self) -> None:
        run = self.run
        inputs = [run.value(use) for use in self.inputs]
        if not (_core.is_grad_enabled() and any(x.tensor.requires_grad for x in inputs)):
            return
        outputs = [run.known[number] for number in self.outputs]
        residuals = [r if use is None else run.value(use) for r, use in zip(self.data[-1], self.residuals, strict=True)]
        like = [y.tensor.detach() for y in outputs]
        data = (self.data[:-1], residuals, [x.batched for x in inputs], [y.batched for y in outputs], like)
        made = _core.attach_rule(_run_bwd_on_batch, data, [x.tensor for x in inputs], [y.tensor for y in outputs])
        for number, y, old in zip(self.outputs, made, outputs, strict=True):
            run.known[number] = _vmap.Value(y, old.batched)


def _run_bwd_on_batch(data: tuple, gradients: tuple) -> list:
    rest, residuals, in_batch, out_batch, like = data
    gradients = [_zeros_like(y) if g is None else g for g, y in zip(gradients, like, strict=True)]
    held = [r for r in residuals if isinstance(r, _vmap.Value)]
    missing: list[bool] = []

    def of_one_sample(tensors: list[Tensor], cotangents: list[Tensor]) -> list[Tensor]:
        given = iter(tensors)
        own = tuple([next(given) if isinstance(r, _vmap.Value) else r for r in residuals])
        found = run_bwd((*rest, own), tuple(cotangents))
        missing[:] = [g is None for g in found]
        return [g for g in found if g is not None]

    axes = ([0 if r.batched else None for r in held], [0 if b else None for b in out_batch])
    run = of_one_sample
    batched = any(r.batched for r in held) or any(out_batch)
    if batched:
        run = _vmap.vmap(of_one_sample, axes)
    found = iter(run([r.tensor for r in held], gradients))
    given = [None if gone else next(found) for gone in missing]
    if not batched:
        return given
    return [g if b or g is None else g.sum(0) for g, b in zip(given, in_batch, strict=True)]


_run_bwd_on_batch.input_name = lambda data, index: input_name((*data[0], ()), index)
