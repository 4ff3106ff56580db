"""Programs: what export() makes and load() reads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from kiln import _core, _tree
from kiln._core import Tensor
from kiln._grad import no_grad
from kiln.export import trees
from kiln.export.footprint import Footprint
from kiln.export.shape_numbers import extents_vary
from kiln.testing import assert_same_bits


class Entry:
    """One function of a program. As data: .inputs .leaves .calls .types .results .constraints (docs/format.md says what is in them)."""

    def __init__(self, program: Program, name: str) -> None:
        self._program = program
        self.name = name
        plain = program._core.plain(name)
        self.symbols: list[str] = plain["symbols"]
        self.inputs: list[tuple] = plain["inputs"]
        self.leaves: list[dict] = plain["leaves"]
        self.calls: list[dict] = plain["calls"]
        self.types: list[tuple] = plain["types"]
        self.constraints: list[tuple[str, str]] = plain["constraints"]
        self.arguments: tuple = plain["arguments"]
        self.results: tuple = plain["results"]

    @property
    def writes(self) -> list[str]:
        """Names of the state that a call changes."""
        return self._program._core.writes(self.name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        results = iter(self.run(self._tensors(args, kwargs)))
        return trees.build(self.results, lambda _: next(results))

    def run(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """The results' tensors, in order, for the arguments' tensors, in the order of .inputs. They are off the tape."""
        if self.constraints and extents_vary():
            raise RuntimeError(
                f"export: the program called here checks that {self.constraints[0][0]} (entry '{self.name}'), which cannot be followed; "
                "export its source instead"
            )
        return self._program._core.run(self.name, list(inputs))

    def check(self, *args: Any, **kwargs: Any) -> None:
        """Runs the entry and the function it was exported from on the same inputs and state; AssertionError where a bit differs.

        Results, what becomes of the inputs, and what becomes of the state are compared. The source's tensors are put back afterwards.
        """
        self._program._check(self, args, kwargs)

    def explain(self):
        """Prints what running the entry did: programs, kernels, what compiling cost."""
        from kiln.explain import Explanation

        explanation = Explanation(self._program._core.records(self.name))
        print(explanation)
        return explanation

    def __repr__(self) -> str:
        given = ", ".join(f"{name}: {type_text(dtype, shape)}" for name, dtype, shape in self.inputs)
        return f"<entry {self.name}({given}), {len(self.calls)} operator calls>"

    def __str__(self) -> str:
        return self._program._core.text(self.name)

    def _tensors(self, args: tuple, kwargs: dict) -> list[Tensor]:
        names = list(self.arguments[1])
        if len(args) > len(names):
            raise TypeError(f"{self.name} takes {len(names)} arguments ({', '.join(names)}), got {len(args)}")
        given = dict(zip(names, args, strict=False))
        for key, value in kwargs.items():
            if key not in names:
                raise TypeError(f"{self.name} has no argument '{key}'; it has {', '.join(names)}")
            if key in given:
                raise TypeError(f"{self.name} got argument '{key}' twice")
            given[key] = value
        missing = [n for n in names if n not in given and not _is_constant(self.arguments[1][n])]
        if missing:
            raise TypeError(f"{self.name} misses the argument{'s' * (len(missing) > 1)} {', '.join(missing)}")
        found: dict[int, tuple[str, Any]] = {}
        for key, tree in self.arguments[1].items():
            if key in given:
                trees.take_apart(tree, given[key], key, found)
        return [_tensor(*found[i]) for i in range(len(self.inputs))]


class Program:
    """Functions that run without their source: called like them, with the same results bit for bit.

    program(x) calls the only entry, program["train"](x, y) one of several. Its state is its own: a training step trains the program, not
    the module that it was exported from.
    """

    def __init__(self, core: Any, sources: dict[str, Callable] | None = None, source_state: list[Tensor] | None = None) -> None:
        self._core = core
        self._sources = sources or {}
        self._source_state = source_state or []
        self.entries: dict[str, Entry] = {name: Entry(self, name) for name in core.entries()}

    @property
    def state(self) -> dict[str, Tensor]:
        """Parameters, buffers and other tensors by name; writing them in place changes the program."""
        return self._core.state()

    def __getitem__(self, name: str) -> Entry:
        try:
            return self.entries[name]
        except KeyError:
            raise KeyError(f"the program has no entry '{name}'; it has {', '.join(self.entries)}") from None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._only("call")(*args, **kwargs)

    def check(self, *args: Any, **kwargs: Any) -> None:
        """Compares the only entry with the function it was exported from; see Entry.check."""
        self._only("check").check(*args, **kwargs)

    def save(self, path: str | os.PathLike) -> None:
        """Writes the program to a file (docs/format.md), whole or not at all."""
        self._core.save(os.fspath(path))

    def to_onnx(self, path: str | os.PathLike, opset: int | None = None, entry: str | None = None) -> None:
        """Writes an entry as an ONNX model, with its named dimensions, checked by onnx.checker. Needs the package onnx (kiln[onnx]).

        NotImplementedError names the operator, the line and a remedy where ONNX has no equivalent (docs/onnx.md), and where the entry
        changes its inputs or state.
        """
        from kiln import onnx

        onnx.to_onnx(self, path, onnx.DEFAULT_OPSET if opset is None else opset, entry)

    def _only(self, what: str) -> Entry:
        if len(self.entries) != 1:
            names = ", ".join(f"program['{n}']" for n in self.entries)
            raise TypeError(f"the program has several entries; {what} one of {names}")
        return next(iter(self.entries.values()))

    def __repr__(self) -> str:
        size = sum(t.nbytes for t in self.state.values())
        entries = "\n".join(f"  {entry!r}" for entry in self.entries.values())
        return f"<kiln.Program with {len(self.state)} tensors of state, {size / 1e6:.3g} MB\n{entries}>"

    def __str__(self) -> str:
        return "\n".join(f"{name}:\n{entry}" for name, entry in self.entries.items())

    def _check(self, entry: Entry, args: tuple, kwargs: dict) -> None:
        source = self._sources.get(entry.name)
        if source is None:
            raise RuntimeError("check: this program was loaded from a file, which does not hold its source")
        entry._tensors(args, kwargs)  # refuses what does not fit
        random = _core.random_state()
        own, theirs = _saved(self.state.values()), _saved(self._source_state)
        footprint = Footprint(source)
        try:
            _put(theirs, self.state.values())
            for tensors, call in ((self.state.values(), entry), (self._source_state, source)):
                _core.set_random_state(random)
                inputs = _copied((args, kwargs))
                with nullcontext() if call is source else no_grad():  # the source may differentiate by its inputs
                    result = call(*inputs[0], **inputs[1])
                found = {"result": result, "argument": inputs, "state": dict(zip(self.state, _saved(tensors), strict=True))}
                if call is entry:
                    expected = found
            for what, value in found.items():
                _assert_same(expected[what], _as_program(value), f"{entry.name}: {what}")
        finally:
            _core.set_random_state(random)
            footprint.restore()
            _put(own, self.state.values())
            _put(theirs, self._source_state)


def _saved(tensors: Iterable[Tensor]) -> list[Tensor]:
    return [_core.whole_storage(t) for t in tensors]


def _put(saved: list[Tensor], tensors: Iterable[Tensor]) -> None:
    for value, tensor in zip(saved, tensors, strict=True):
        _core.set_whole_storage(tensor, value)


def _copied(tree: Any) -> Any:
    """Arguments of their own, for a function that may write them."""

    def copy(leaf: Any) -> Any:
        if isinstance(leaf, Tensor):
            return _core.operators["copy"](leaf.detach()).requires_grad_(leaf.requires_grad)
        return leaf.copy() if isinstance(leaf, np.ndarray) else leaf

    return _tree.map_leaves(copy, tree)


def _assert_same(actual: Any, expected: Any, what: str) -> None:
    a, b = _tree.flatten(actual)[0], _tree.flatten(expected)[0]
    if [type(v) for v in a] != [type(v) for v in b]:
        raise AssertionError(f"{what}: the structures differ")
    for ours, theirs in zip(a, b, strict=True):
        if isinstance(ours, (Tensor, np.ndarray)):
            assert_same_bits(ours, theirs, what)
        elif ours != theirs:
            raise AssertionError(f"{what}: {ours!r} and {theirs!r}")


def _as_program(value: Any) -> Any:
    """A source's result as a program gives it: off the tape, named tuples as tuples."""
    if isinstance(value, Tensor):
        return value.detach()
    if isinstance(value, dict):
        return {k: _as_program(v) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        items = [_as_program(v) for v in value]
        return tuple(items) if isinstance(value, tuple) else items
    return value


def _tensor(path: str, value: Any) -> Tensor:
    if isinstance(value, Tensor):
        return value
    if isinstance(value, (np.ndarray, np.generic, list, tuple, int, float)):
        return _core.asarray(value)
    raise TypeError(f"argument {path} must be a tensor or an array, not {type(value).__name__}")


def _is_constant(tree: tuple) -> bool:
    kind, content = tree
    if kind in ("tensor", "value"):
        return kind == "value"
    return all(_is_constant(child) for child in (content.values() if kind == "dict" else content))


def type_text(dtype: Any, shape: tuple) -> str:
    """float32(batch, 28)"""
    return f"{dtype.name}({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"
