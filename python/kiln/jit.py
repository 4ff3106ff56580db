"""kiln.jit: runs a function's operators deferred, fused and compiled, without changing what it computes."""

import functools
import inspect
import os
import types
from collections.abc import Callable

from kiln import _core
from kiln.explain import Explanation, Lowered


class Jitted(_core.Captured):
    """What kiln.jit makes of a function: called like it, with the same results, and able to say what it did.

    Python runs as written; operators are put off and run fused at the function's end, or earlier when something needs a value.
    """

    def __get__(self, instance, owner=None):
        return self if instance is None else types.MethodType(self, instance)

    def __repr__(self) -> str:
        return f"<kiln.jit of {getattr(self, '__qualname__', self._function)}>"

    def explain(self) -> Explanation:
        """Prints what was captured: each trace with its kernels, each early end with its source line, and what compiling cost.

        The same is in the result's .traces, .flushes, .recompiles, .fallbacks, .kernels and .compile_ms; .replays counts the calls that ran
        without Python, and .guards says what was checked for it.
        """
        explanation = Explanation(_core.captured_records(self), self)
        print(explanation)
        return explanation

    def lower(self, *args, **kwargs) -> Lowered:
        """Calls the function once with these arguments and gives the programs it ran.

        `.as_text("graph" | "kernels" | "asm" | "llvm" | "cuda" | "ptx")` shows them.
        """
        runs = [t["runs"] for t in _core.captured_records(self)["traces"]]
        self(*args, **kwargs)
        traces = _core.captured_records(self)["traces"]
        return Lowered([t for i, t in enumerate(traces) if i >= len(runs) or t["runs"] > runs[i]])

    def compile(self, *args, **kwargs) -> None:
        """Calls the function once with these arguments and waits until its kernels are compiled by LLVM where that is worth it."""
        self(*args, **kwargs)
        _core.wait_for_compiles()

    def cache_clear(self) -> None:
        """Forgets this function's traces and all compiled programs."""
        _core.clear_captured(self)
        _core.clear_programs()


MODES = ("auto", "segments", "eager")


def is_deferrable(function: Callable) -> bool:
    """Generators and coroutines run their bodies outside the call, so they run eagerly."""
    return not (inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function))


def jit(
    function: Callable | None = None,
    *,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    static_argnames: tuple[str, ...] = (),
    static_argnums: tuple[int, ...] = (),
    backend: str = "auto",
    fast_math: bool = False,
    mode: str = "auto",
):
    """Makes a function (method, callable object, module) fast: its operators are deferred, fused and compiled.

    Also a decorator, with or without options. Values, exceptions, mutations and random draws are those of the undecorated function.

    fullgraph: an operator that needs a value before the function's end is an error that names its line.
    backend: "auto", or one of "interpreter", "asmjit", "llvm" for all of the function's kernels (results do not change). "cuda" is an
    error that says what is missing: kernels can be shown as CUDA (`lower`), but not run there yet.
    dynamic, static_argnames, static_argnums: Python runs at every call, so every argument is as static and every shape as dynamic as
    it likes; accepted for code written for other compilers.
    mode: "auto" lets calls run without Python where a recording of an earlier call fits; "segments" runs Python at every call, with
    operators deferred; "eager" does neither.
    fast_math: not there yet; True is a NotImplementedError.
    """
    if fast_math:
        raise NotImplementedError("jit(fast_math=True): every kernel keeps eager's bits for now; leave fast_math out")
    if function is None:
        return functools.partial(jit, fullgraph=fullgraph, backend=backend, mode=mode)
    if not callable(function):
        raise TypeError(f"jit takes a function or another callable, not {type(function).__name__}")
    name = getattr(function, "__qualname__", type(function).__qualname__)
    if mode not in MODES:
        raise ValueError(f"jit(mode={mode!r}): modes are {', '.join(map(repr, MODES))}")
    deferred = os.environ.get("KILN_JIT", "1") != "0" and is_deferrable(function) and mode != "eager"
    replayed = deferred and mode == "auto"
    if replayed:
        import kiln.capture  # noqa: F401  not before somebody captures a function
    jitted = Jitted(function, name, backend, fullgraph, deferred, replayed)
    functools.update_wrapper(jitted, function, updated=())
    return jitted


def disable(function: Callable) -> Callable:
    """The function, run eagerly even when a captured function calls it."""

    @functools.wraps(function)
    def undeferred(*args, **kwargs):
        return _core.call_undeferred(function, *args, **kwargs) if _core.is_tracing() else function(*args, **kwargs)

    return undeferred
