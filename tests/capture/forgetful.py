"""A wrong jit: what every program must be able to tell from none."""

import functools
from collections.abc import Callable
from typing import Any

RECORDED = 2  # the call whose result is kept: a tracer that looks at its function once, late enough for lazy initialisation
_kept: dict[int, Any] = {}  # code objects, so that no address is used twice
_results: dict[Any, list[Any]] = {}


def forgetful(function: Callable | None = None, **options: Any) -> Callable:
    """Runs a function twice, then gives the second result again for every call whose arguments have the same types.

    No guard, no effect, no input, no shape, and functions of one code are one: whatever a program reads, writes or varies is missed.
    A program that runs the same by this jit tests nothing.
    """
    if function is None:
        return functools.partial(forgetful, **options)
    code = getattr(function, "__code__", function)
    _kept[id(code)] = code

    def recorded(*args: Any, **kwargs: Any) -> Any:
        results = _results.setdefault((id(code), _signature(args), _signature(tuple(kwargs.items()))), [])
        if len(results) < RECORDED:
            results.append(function(*args, **kwargs))
        return results[-1]

    class Recorded:
        __wrapped__ = function

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return recorded(*args, **kwargs)

        def __get__(self, instance: Any, owner: type | None = None) -> Any:
            return self if instance is None else functools.partial(self, instance)

        def __getattr__(self, name: str) -> Any:
            return getattr(function, name)

    return Recorded()


def _signature(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_signature, value))
    return type(value) if isinstance(value, bool | int | float | str | None) else object
