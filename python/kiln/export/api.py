"""kiln.export and kiln.spec."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kiln import _core
from kiln._core import Tensor
from kiln.export.program import Program
from kiln.export.recording import Signature, record
from kiln.nn.module import Module


@dataclass(frozen=True)
class Spec:
    """A tensor without values: what an exported function is called with."""

    shape: tuple[int | str, ...]
    dtype: Any
    name: str | None = None


def spec(shape: int | str | tuple[int | str, ...], dtype: Any = None, name: str | None = None) -> Spec:
    """Describes an input of an exported function.

    shape: extents; a string names one that may vary, and the same name twice means the same extent: spec(("batch", 1, 28, 28)).
    dtype: float32, or what set_default_dtype() says, where it is left out.
    name: what to call the input; the parameter's name where it is left out.
    """
    shape = shape if isinstance(shape, (tuple, list)) else (shape,)
    for extent in shape:
        if isinstance(extent, str) and not (extent.isidentifier() and extent.isascii() and extent != "_" and extent != "max"):
            raise ValueError(f"spec: a dimension's name is an identifier of ASCII letters, digits and _, not {extent!r}")
        if not isinstance(extent, (int, str)) or isinstance(extent, bool):
            raise TypeError(f"spec: an extent is an int or a name, not {type(extent).__name__}")
        if isinstance(extent, int) and extent < 0:
            raise ValueError(f"spec: an extent is not negative, got {extent} in {tuple(shape)}")
    dtype = _core.default_dtype() if dtype is None else _core.asarray(0, dtype).dtype
    return Spec(tuple(shape), dtype, name)


def export(f: Callable | Mapping[str, tuple], *examples: Any, **named: Any) -> Program:
    """The function (or module, or anything callable) as a program that runs without Python.

    examples: what f is called with; each may be a tensor, an array or a spec(), or a nested tuple, list or dict of them. Only shapes
    and dtypes are looked at. Numbers, strings and None become part of the program.
    A dict exports several functions over one state: {"predict": (model, specs...), "train": (step, specs...)}.

    f is run on tensors without values, and its operator calls become the program; for named dimensions it runs several times. Parameters
    and other tensors that it reads are copied into the program's state; a program of a training step updates its own. f changes nothing
    meanwhile. RuntimeError where f needs a value, or keeps state in Python that its calls change; ValueError where what it does
    depends on the shapes in a way that cannot be expressed. Both name the line.
    """
    if isinstance(f, Mapping):
        if examples or named:
            raise TypeError("export: with a dict of functions, their examples stand in the dict: {'predict': (f, specs...)}")
        if not f:
            raise ValueError("export: the dict of functions is empty")
        wanted = {}
        for name, entry in f.items():
            if not isinstance(name, str) or not name.isidentifier():
                raise ValueError(f"export: an entry's name is an identifier, not {name!r}")
            if not isinstance(entry, (tuple, list)) or not entry or not callable(entry[0]):
                raise TypeError(f"export: entry '{name}' must be a tuple of a function and its examples")
            wanted[name] = (entry[0], tuple(entry[1:]), {})
    else:
        if not callable(f):
            raise TypeError(f"export takes a function or another callable, not {type(f).__name__}")
        wanted = {"main": (f, examples, named)}
    state = _State()
    entries, sources = [], {}
    for name, (function, args, kwargs) in wanted.items():
        signature = Signature(_bound(function, args, kwargs), _type_of)
        recorded = record(function, signature)
        recorded.procedure.renumber_state([state.number(c, recorded.names) for c in recorded.captured])
        entries.append((name, recorded.procedure))
        sources[name] = function
    return Program(_core.Program(entries, state.entries), sources, state.sources)


class _State:
    """The state that all entries share: one entry for each storage."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, Tensor]] = []
        self.sources: list[Tensor] = []
        self._numbers: dict[int, int] = {}

    def number(self, captured: tuple[int, Tensor], names: dict[int, str]) -> int:
        storage, tensor = captured
        if storage not in self._numbers:
            self._numbers[storage] = len(self.entries)
            taken = {name for name, _ in self.entries}
            name = names.get(storage)
            if name is None or name in taken:
                numbered = (f"{name or 'constant'}_{i}" for i in range(len(taken) + 1))
                name = next(n for n in numbered if n not in taken)
            self.entries.append((name, _core.whole_storage(tensor)))
            self.sources.append(tensor)
        return self._numbers[storage]


def _bound(function: Callable, args: tuple, kwargs: dict) -> dict[str, Any]:
    """Arguments by the names of their parameters, in order."""
    source = function.forward if isinstance(function, Module) else function
    try:
        signature = inspect.signature(source)
    except (TypeError, ValueError):  # a callable without one
        return {f"arg{i}": a for i, a in enumerate(args)} | kwargs
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise TypeError(f"export: the examples do not fit {getattr(source, '__qualname__', source)}{signature}: {error}") from None
    flat: dict[str, Any] = {}
    for name, value in bound.arguments.items():
        kind = signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_POSITIONAL:
            flat |= {f"{name}{i}": v for i, v in enumerate(value)}
        elif kind is inspect.Parameter.VAR_KEYWORD:
            flat |= value
        else:
            flat[name] = value
    return flat


def _type_of(leaf: Any) -> tuple[str | None, Any, tuple] | None:
    """(name or None, dtype, shape) of what stands for a tensor; None for anything else."""
    if isinstance(leaf, Spec):
        return leaf.name, leaf.dtype, leaf.shape
    if isinstance(leaf, Tensor):
        return None, leaf.dtype, leaf.shape
    if isinstance(leaf, (np.ndarray, np.generic)):
        return None, _core.asarray(np.zeros(1, leaf.dtype)).dtype, leaf.shape
    return None
