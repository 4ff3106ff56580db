"""Gradients of functions, and scopes with and without the tape."""

import functools
import threading
from collections.abc import Callable
from typing import Any

from kiln import _core, _tree
from kiln._core import Tensor


class _GradMode:
    """A scope in which the tape is on or off: `with kn.no_grad():`, or `@kn.no_grad()` on a function."""

    def __init__(self, enabled: bool) -> None:
        self._enabled = enabled
        self._before: list[bool] = []

    def __enter__(self) -> None:
        self._before.append(_core.is_grad_enabled())
        _core.set_grad_enabled(self._enabled)

    def __exit__(self, *exception: object) -> None:
        _core.set_grad_enabled(self._before.pop())

    def __call__(self, function: Callable) -> Callable:
        @functools.wraps(function)
        def scoped(*args, **kwargs):
            with _GradMode(self._enabled):
                return function(*args, **kwargs)

        return scoped


def no_grad(function: Callable | None = None):
    """A scope in which nothing is put on the tape: a context manager, or a decorator with or without parentheses."""
    return _GradMode(False) if function is None else _GradMode(False)(function)


def enable_grad(function: Callable | None = None):
    """A scope with the tape, inside of no_grad."""
    return _GradMode(True) if function is None else _GradMode(True)(function)


_depth = threading.local()  # how many of these functions are running: an inner one's gradients are differentiated again


def value_and_grad(f: Callable, argnums: int | tuple[int, ...] = 0) -> Callable:
    """A function that gives (f(*args), gradient), the gradient being that of f with respect to the argument `argnums`.

    f gives one floating number (a tensor of one element). Arguments may be nested tuples, lists and dicts of tensors, and the
    gradient has the same structure, with zeros where f does not depend on a tensor. A tuple of argnums gives a tuple of gradients.
    """
    chosen = (argnums,) if isinstance(argnums, int) else tuple(argnums)

    @functools.wraps(f)
    def differentiated(*args, **kwargs):
        if max(chosen) >= len(args) or min(chosen) < -len(args):
            raise TypeError(f"argnums {argnums} names an argument that the call does not have: {len(args)} were given")
        leaves, rebuild = _tree.flatten([args[i] for i in chosen])
        again = getattr(_depth, "value", 0) > 0 or any(isinstance(leaf, Tensor) and leaf.requires_grad for leaf in leaves)
        with enable_grad():
            inputs = [_as_input(leaf) for leaf in leaves]
            replaced = list(args)
            for i, argument in zip(chosen, rebuild(inputs), strict=True):
                replaced[i] = argument
            _depth.value = getattr(_depth, "value", 0) + 1
            try:
                value = f(*replaced, **kwargs)
            finally:
                _depth.value -= 1
        _check_value(value)
        if value.requires_grad:
            gradients = _core.gradients([value], [None], inputs, retain_graph=again, create_graph=again)
        else:
            gradients = [None] * len(inputs)
        zeros_like = _core.operators["zeros_like"]
        gradients = rebuild([zeros_like(x) if g is None else g for g, x in zip(gradients, inputs, strict=True)])
        result = value if again else value.detach()
        return result, (gradients[0] if isinstance(argnums, int) else tuple(gradients))

    return differentiated


def grad(f: Callable, argnums: int | tuple[int, ...] = 0) -> Callable:
    """A function that gives the gradient of f with respect to the argument `argnums`; see value_and_grad."""
    with_value = value_and_grad(f, argnums)

    @functools.wraps(f)
    def gradient(*args, **kwargs):
        return with_value(*args, **kwargs)[1]

    return gradient


def _as_input(leaf: Any) -> Tensor:
    """The leaf as a tensor that requires grad and is nobody else's: on an outer tape an alias, else off the tape."""
    x = leaf if isinstance(leaf, Tensor) else _core.asarray(leaf)
    if not (x.dtype.is_floating_point or x.dtype.is_complex):
        raise TypeError(f"gradients are with respect to floating and complex tensors, not {x.dtype.name}{x.shape}")
    return _core.operators["view"](x, x.shape) if x.requires_grad else x.detach().requires_grad_()


def _check_value(value: Any) -> None:
    if not isinstance(value, Tensor) or value.numel() != 1 or not value.dtype.is_floating_point:
        what = f"{value.dtype.name}{value.shape}" if isinstance(value, Tensor) else type(value).__name__
        raise TypeError(f"a function to differentiate must give one floating number, a tensor of one element, not {what}")
