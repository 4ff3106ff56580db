"""Derivatives of functions: grad, value_and_grad, vjp, jvp.

All of them run the function on the tape, on inputs of their own. What they give is on the tape in turn exactly where the function also
depends on something else that asks for gradients (an outer derivative's inputs, parameters it closes over): so they nest, and compose with
backward().
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

from kiln import _core, _tree
from kiln._core import Tensor
from kiln._grad import enable_grad


class Derivative:
    """A function made of another: called like it, named like it, and bound to instances where it is."""

    _name: str
    __wrapped__: Callable

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def __getattr__(self, name: str) -> Any:
        if name == "__wrapped__":  # not there yet: it is being copied
            raise AttributeError(name)
        return getattr(self.__wrapped__, name)

    def __repr__(self) -> str:
        name = getattr(self.__wrapped__, "__qualname__", repr(self.__wrapped__))
        return f"<kiln.{self._name} of {name}>"


class _ValueAndGrad(Derivative):
    _name = "value_and_grad"

    def __init__(self, function: Callable, argnums: int | tuple[int, ...], has_aux: bool) -> None:
        self.__wrapped__, self._argnums, self._has_aux = function, argnums, has_aux

    def __call__(self, *args, **kwargs):
        argnums = self._argnums
        chosen = (argnums,) if isinstance(argnums, int) else tuple(argnums)
        if max(chosen) >= len(args) or min(chosen) < -len(args):
            raise TypeError(f"argnums {argnums} names an argument that the call does not have: {len(args)} were given")
        leaves, structure = _tree.split([args[i] for i in chosen])
        differentiable = _core.is_grad_enabled()
        with enable_grad():
            inputs = [_as_input(leaf) for leaf in leaves]
            replaced = list(args)
            for i, argument in zip(chosen, _tree.join(structure, inputs), strict=True):
                replaced[i] = argument
            value = self.__wrapped__(*replaced, **kwargs)
        if self._has_aux:
            value, aux = _with_aux(value)
        _check_value(value)
        again = differentiable and _core.depends_on_others([value], inputs)
        gradients = _gradients([value], [None], inputs, again, again) if value.requires_grad else [None] * len(inputs)
        found = _tree.join(structure, _no_zeros_missing(gradients, inputs))
        result = value if again else value.detach()
        given = found[0] if isinstance(argnums, int) else tuple(found)
        return ((result, aux), given) if self._has_aux else (result, given)


class _Grad(Derivative):
    _name = "grad"

    def __init__(self, with_value: _ValueAndGrad) -> None:
        self.__wrapped__, self._with_value = with_value.__wrapped__, with_value

    def __call__(self, *args, **kwargs):
        value, gradient = self._with_value(*args, **kwargs)
        return (gradient, value[1]) if self._with_value._has_aux else gradient


def value_and_grad(f: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """A function that gives (f(*args), gradient), the gradient being that of f with respect to the argument `argnums`.

    f gives one floating number (a tensor of one element), with has_aux a pair of it and of anything else, and then the function gives
    ((value, anything), gradient). Arguments may be trees of tensors (nested tuples, lists, dicts and registered classes), and the gradient
    has the same structure, with zeros where f does not depend on a tensor. A tuple of argnums gives a tuple of gradients.
    """
    _check_callable("value_and_grad", f)
    return _ValueAndGrad(f, argnums, has_aux)


def grad(f: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """A function that gives the gradient of f by the argument `argnums`, with has_aux (gradient, anything); see value_and_grad."""
    _check_callable("grad", f)
    return _Grad(_ValueAndGrad(f, argnums, has_aux))


class _Pullback:
    """What vjp gives beside the value: from a tree like the value to a tuple of trees like the arguments. May be called again and again."""

    def __init__(self, outputs: list[Any], of_value: tuple, inputs: list[Tensor], of_primals: tuple) -> None:
        self._outputs, self._of_value, self._inputs, self._of_primals = outputs, of_value, inputs, of_primals

    def __call__(self, cotangents: Any) -> tuple:
        given = _tree.along(self._of_value, cotangents, "vjp: the cotangent", none=True)
        roots, seeds = [], []
        for i, (output, cotangent) in enumerate(zip(self._outputs, given, strict=True)):
            if cotangent is not None and not isinstance(cotangent, Tensor):
                cotangent = _core.asarray(cotangent, output.dtype)
            if cotangent is not None and cotangent.shape != output.shape:
                raise ValueError(f"vjp: cotangent {i} must be of the value's shape {output.shape}, not {cotangent.shape}")
            if cotangent is not None and output.requires_grad:
                roots.append(output)
                seeds.append(cotangent)
        again = _core.is_grad_enabled() and _core.depends_on_others([*self._outputs, *seeds], self._inputs)
        gradients = _gradients(roots, seeds, self._inputs, True, again) if roots else [None] * len(self._inputs)
        return tuple(_tree.join(self._of_primals, _no_zeros_missing(gradients, self._inputs)))


def vjp(f: Callable, *primals: Any, has_aux: bool = False) -> tuple:
    """(f(*primals), pullback): pullback(cotangent), built as the value is, gives the gradients of <value, cotangent>, one for each primal.

    Primals and value are trees of tensors. A cotangent of None is one of zeros. With has_aux f gives a pair, whose second part comes back
    as a third.
    """
    _check_callable("vjp", f)
    differentiable = _core.is_grad_enabled()
    leaves, structure = _tree.split(list(primals))
    with enable_grad():
        inputs = [_as_input(leaf) for leaf in leaves]
        value = f(*_tree.join(structure, inputs))
    if has_aux:
        value, aux = _with_aux(value)
    outputs, of_value = _outputs("vjp", value)
    again = differentiable and _core.depends_on_others(outputs, inputs)
    shown = _tree.join(of_value, [y if again else y.detach() for y in outputs])
    pullback = _Pullback(outputs, of_value, inputs, structure)
    return (shown, pullback, aux) if has_aux else (shown, pullback)


def jvp(f: Callable, primals: tuple | list, tangents: tuple | list) -> tuple:
    """(f(*primals), the derivative of f at the primals in the direction of the tangents), trees of one structure.

    Operators have gradient rules alone, so this differentiates the pullback, which is linear in the cotangent, by the cotangent: two passes
    backwards make one forwards (the double-vjp trick).
    """
    _check_callable("jvp", f)
    if not isinstance(primals, (tuple, list)) or not isinstance(tangents, (tuple, list)):
        raise TypeError("jvp takes the primals and the tangents as tuples or lists, one entry for each argument of f")
    differentiable = _core.is_grad_enabled()
    leaves, structure = _tree.split(list(primals))
    directions = _tree.along(structure, list(tangents), "jvp: tangents")
    with enable_grad():
        inputs = [_as_input(leaf) for leaf in leaves]
        directions = [_direction(i, d, x) for i, (d, x) in enumerate(zip(directions, inputs, strict=True))]
        outputs, of_value = _outputs("jvp", f(*_tree.join(structure, inputs)))
        others = _core.depends_on_others([*outputs, *directions], inputs)
        moved = [y for y in outputs if y.requires_grad]
        seeds = [_zeros_like(y.detach()).requires_grad_() for y in moved]
        pulled = _gradients(moved, seeds, inputs, True, True) if moved else [None] * len(inputs)
        pairs = [(g, d) for g, d in zip(pulled, directions, strict=True) if g is not None and g.requires_grad]
    again = differentiable and others
    found = _gradients([g for g, _ in pairs], [d for _, d in pairs], seeds, again, again) if pairs else [None] * len(moved)
    by_output = iter(_no_zeros_missing(found, moved))
    derivative = [next(by_output) if y.requires_grad else _zeros_like(y) for y in outputs]
    return _tree.join(of_value, [y if again else y.detach() for y in outputs]), _tree.join(of_value, derivative)


_zeros_like = _core.operators["zeros_like"]
_view = _core.operators["view"]
_gradients = _core.gradients


def _as_input(leaf: Any) -> Tensor:
    """The leaf as a tensor that requires grad and is nobody else's: on an outer tape an alias, else off the tape."""
    x = leaf if isinstance(leaf, Tensor) else _core.asarray(leaf)
    if not (x.dtype.is_floating_point or x.dtype.is_complex):
        raise TypeError(f"gradients are with respect to floating and complex tensors, not {x.dtype.name}{x.shape}")
    return _view(x, x.shape) if x.requires_grad else x.detach().requires_grad_()


def _no_zeros_missing(gradients: list[Any], like: list[Tensor]) -> list[Tensor]:
    return [_zeros_like(x.detach()) if g is None else g for g, x in zip(gradients, like, strict=True)]


def _outputs(what: str, value: Any) -> tuple[list[Tensor], tuple]:
    leaves, structure = _tree.split(value)
    for leaf in leaves:
        if not isinstance(leaf, Tensor):
            raise TypeError(f"{what}: the function must give tensors, and trees of them, not a {type(leaf).__name__}")
    return leaves, structure


def _direction(index: int, direction: Any, x: Tensor) -> Tensor:
    if not isinstance(direction, Tensor):
        direction = _core.asarray(direction, x.dtype)
    if direction.shape != x.shape or direction.dtype is not x.dtype:
        given, wanted = f"{direction.dtype.name}{direction.shape}", f"{x.dtype.name}{x.shape}"
        raise TypeError(f"jvp: tangent {index} must be like its primal, {wanted}, not {given}")
    return direction


def _with_aux(value: Any) -> tuple:
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise TypeError(f"with has_aux the function must give a pair (value, anything), not a {type(value).__name__}")
    return value[0], value[1]


def _check_callable(what: str, f: Any) -> None:
    if not callable(f):
        raise TypeError(f"{what} takes a function, not a {type(f).__name__}")


def _check_value(value: Any) -> None:
    if not isinstance(value, Tensor) or not all(n == 1 for n in value.shape) or not value.dtype.is_floating_point:
        what = f"{value.dtype.name}{value.shape}" if isinstance(value, Tensor) else type(value).__name__
        raise TypeError(f"a function to differentiate must give one floating number, a tensor of one element, not {what}")
