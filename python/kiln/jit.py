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
    Attributes are the function's own: what is read, assigned or deleted here (`f.__defaults__`, a module's `training`) is read,
    assigned and deleted there.
    """

    def __get__(self, instance, owner=None):
        """Binds where the function would: a plain function does, a module or a partial does not."""
        bind = getattr(type(self._function), "__get__", None)
        binds = instance is not None and bind is not None and bind(self._function, instance, owner) is not self._function
        return types.MethodType(self, instance) if binds else self

    def __getattr__(self, name: str):
        return getattr(self._function, name)

    def __setattr__(self, name: str, value) -> None:
        setattr(self._function, name, value)
        if name in self.__dict__:
            object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._function, name)

    def __reduce__(self):
        """Copied and pickled as the function would be: a function by its name, anything else by its content."""
        if isinstance(self._function, types.FunctionType):
            return self._function.__qualname__
        return functools.partial(jit, **self._options), (self._function,)

    def __repr__(self) -> str:
        return f"<kiln.jit of {getattr(self._function, '__qualname__', self._function)}>"

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
        _core.call_deferred(self, args, kwargs)
        traces = _core.captured_records(self)["traces"]
        return Lowered([t for i, t in enumerate(traces) if i >= len(runs) or t["runs"] > runs[i]])

    def compile(self, *args, **kwargs) -> None:
        """Calls the function once with these arguments and waits until its kernels are compiled by LLVM where that is worth it."""
        _core.call_deferred(self, args, kwargs)
        _core.wait_for_compiles()

    def cache_clear(self) -> None:
        """Forgets this function's recordings and traces, and all compiled programs."""
        self.__dict__.pop("_memory", None)
        _core.clear_captured(self)
        _core.clear_programs()


MODES = ("auto", "replay", "segments", "eager")


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
    mode: "auto" lets calls run without Python where a recording of an earlier call fits; now and then it times some calls in every mode,
    and takes the fastest. "replay" lets them too, whatever they take, and a call after the first that has to run in Python is an error
    that names the line and the reason (but for calls inside of another captured function, which run as part of it, and for those that
    raise an exception of their own); "segments" runs Python at every call, with operators deferred; "eager" does neither.
    fast_math: not there yet; True is a NotImplementedError.
    """
    if fast_math:
        raise NotImplementedError("jit(fast_math=True): every kernel keeps eager's bits for now; leave fast_math out")
    options = {"fullgraph": fullgraph, "backend": backend, "mode": mode}
    if function is None:
        return functools.partial(jit, **options)
    if isinstance(function, classmethod | staticmethod):
        return type(function)(jit(function.__func__, **options))
    if isinstance(function, property):
        accessors = (accessor and jit(accessor, **options) for accessor in (function.fget, function.fset, function.fdel))
        return property(*accessors, doc=function.__doc__)
    if not callable(function):
        raise TypeError(f"jit takes a function or another callable, not {type(function).__name__}")
    if mode not in MODES:
        raise ValueError(f"jit(mode={mode!r}): modes are {', '.join(map(repr, MODES))}")
    name = getattr(function, "__qualname__", type(function).__qualname__)
    deferred = os.environ.get("KILN_JIT", "1") != "0" and is_deferrable(function) and mode != "eager"
    forced = mode == "replay"
    if forced and not is_deferrable(function):
        raise TypeError(f"jit(mode='replay'): {name} is a generator or coroutine function, whose body runs outside of the call")
    replayed = deferred and mode in ("auto", "replay")
    if replayed:
        import kiln.capture  # noqa: F401  not before somebody captures a function
    measured = deferred and mode == "auto" and backend == "auto"
    jitted = Jitted(function, name, backend, fullgraph, deferred, replayed, forced, measured)
    for key in ("__module__", "__doc__"):  # the others are not attributes of the type, so __getattr__ finds the function's
        object.__setattr__(jitted, key, getattr(function, key, None))
    object.__setattr__(jitted, "__wrapped__", function)
    object.__setattr__(jitted, "_options", options)
    return jitted


def disable(function: Callable) -> Callable:
    """The function, run eagerly even when a captured function calls it, and under kn.auto()."""

    @functools.wraps(function)
    def undeferred(*args, **kwargs):
        return _core.call_undeferred(function, *args, **kwargs)

    return undeferred


class AssumedConstant:
    """What kn.assume_constant makes of a function."""

    def __init__(self, function: Callable) -> None:
        functools.update_wrapper(self, function)
        self.function = function

    def __call__(self, *args, **kwargs):
        return self.function(*args, **kwargs)

    def __get__(self, instance, owner=None):
        return self if instance is None else types.MethodType(self, instance)

    def __repr__(self) -> str:
        return f"<kiln.assume_constant of {getattr(self.function, '__qualname__', self.function)}>"


def assume_constant(function: Callable) -> Callable:
    """The function, whose result calls without Python take from the recording: it is called once for each recording, and not looked into.

    For what reads files, flags or the time, and is known to give the same all the while. It is the one promise about a captured function
    that the caller makes, not Kiln: where the result would have changed, replays keep the old one. Arguments are checked: numbers, strings
    and the like by value, other objects by identity, so that other arguments get a recording and a result of their own. Tensors are no
    arguments of it, since their values are not looked at. Where Python runs, the function is called as ever.
    """
    if not callable(function):
        raise TypeError(f"assume_constant takes a function or another callable, not {type(function).__name__}")
    return AssumedConstant(function)
