"""Scopes with and without the tape."""

import functools
from collections.abc import Callable

from kiln import _core


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
