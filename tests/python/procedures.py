"""Procedures as plain data, built call by call, and run eagerly: what converters are given, beside what they should give."""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

import kiln as kn
from kiln import _core

OPERAND_KINDS = ("tensor", "optional_tensor", "tensors")


@dataclass(frozen=True)
class Reg:
    number: int


@dataclass(frozen=True)
class Symbolic:
    """A number that follows from the symbols: its record, and its value."""

    text: str
    value: Callable[[dict[str, int]], Any]
    form: str | None = None
    factor: float = 1.0


@dataclass
class Procedure:
    inputs: list[tuple[str, str, tuple]] = field(default_factory=list)
    state: dict[str, kn.Tensor] = field(default_factory=dict)
    leaves: list[dict[str, Any]] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    results: Any = None

    def __post_init__(self) -> None:
        self._registers = 0

    # ---- building -----------------------------------------------------------------------------------------------------

    def _new(self, count: int) -> list[Reg]:
        self._registers += count
        return [Reg(self._registers - count + i) for i in range(count)]

    def input(self, name: str, dtype: str, shape: tuple) -> Reg:
        self.leaves.append({"kind": "input", "index": len(self.inputs)})
        self.inputs.append((name, dtype, shape))
        return self._new(1)[0]

    def parameter(self, name: str, value: Any, offset: int = 0, shape=None, strides=None) -> Reg:
        """A state entry, or a window of it."""
        value = kn.asarray(np.ascontiguousarray(value))
        if name not in self.state:
            self.state[name] = value
        elements = tuple(s // value.itemsize for s in value.strides)
        place = {"dtype": value.dtype, "offset": offset, "shape": shape or value.shape, "strides": strides or elements}
        self.leaves.append({"kind": "state", "index": list(self.state).index(name), **place})
        return self._new(1)[0]

    def call(self, name: str, *operands: Any, where: str = "model.py:1", **attrs: Any) -> Any:
        op = _core.operators[name]
        record = self._record("call", op, operands, attrs, where)
        outputs = self._new(op.outputs)
        record |= {"first_output": outputs[0].number, "outputs": op.outputs}
        self.calls.append(record)
        return outputs[0] if op.outputs == 1 else outputs

    def in_place(self, name: str, destination: Reg, *operands: Any, where: str = "model.py:1", **attrs: Any) -> None:
        record = self._record("in_place", _core.operators[name], operands, attrs, where)
        self.calls.append(record | {"destination": destination.number})

    def write(self, destination: Reg, source: Any, where: str = "model.py:1") -> None:
        self.calls.append(self._record("write", None, (source,), {}, where) | {"destination": destination.number})

    def _record(self, kind: str, op: Any, operands: tuple, attrs: dict[str, Any], where: str) -> dict[str, Any]:
        attributes = {}
        for p in op.parameters if op else ():
            if p["kind"] not in OPERAND_KINDS:
                attributes[p["name"]] = attrs.pop(p["name"], p["default"])
        assert not attrs, f"{op}: {attrs}"
        numbers = [
            {"place": place, "index": i, "element": e, "dim": v.text, "form": v.form, "factor": v.factor}
            for place, values in (("operand", operands), ("attribute", attributes.values()))
            for i, value in enumerate(values)
            for e, v in enumerate(value if isinstance(value, tuple) else (value,))
            if isinstance(v, Symbolic)
        ]
        if op and len(op.parameters) > 0 and op.parameters[0]["kind"] != "tensors":
            expected = sum(p["kind"] in OPERAND_KINDS for p in op.parameters)
            operands = (*operands, *[None] * (expected - len(operands)))
        return {
            "kind": kind,
            "op": op.__name__ if op else None,
            "version": op.version if op else 0,
            "operands": [("tensor", o.number) if isinstance(o, Reg) else None if o is None else ("scalar", o) for o in operands],
            "attrs": attributes,
            "numbers": numbers,
            "destination": 0,
            "first_output": 0,
            "outputs": 0,
            "where": where,
        }

    # ---- running ------------------------------------------------------------------------------------------------------

    def replay(self, *inputs: Any) -> list[kn.Tensor]:
        """Makes the calls eagerly. All registers, as they are at the end."""
        symbols: dict[str, int] = {}
        registers: list[kn.Tensor] = []
        for leaf in self.leaves:
            if leaf["kind"] == "input":
                value = kn.asarray(inputs[leaf["index"]], copy=True)
                declared = self.inputs[leaf["index"]][2]
                symbols |= {d: n for d, n in zip(declared, value.shape, strict=True) if isinstance(d, str)}
            else:
                entry = list(self.state.values())[leaf["index"]]
                offset, strides = leaf["offset"] * entry.itemsize, [s * entry.itemsize for s in leaf["strides"]]
                flat = np.ascontiguousarray(entry.numpy())
                value = kn.asarray(np.ndarray(leaf["shape"], flat.dtype, flat.data, offset, strides).copy())
            registers.append(value)
        for call in self.calls:
            self._run(call, registers, symbols)
        return registers

    def _run(self, call: dict[str, Any], registers: list[kn.Tensor], symbols: dict[str, int]) -> None:
        def now(value: Any) -> Any:
            if isinstance(value, tuple):
                return tuple(now(v) for v in value)
            return value.value(symbols) if isinstance(value, Symbolic) else value

        operands = [None if o is None else registers[o[1]] if o[0] == "tensor" else now(o[1]) for o in call["operands"]]
        if call["kind"] == "write":
            registers[call["destination"]][...] = operands[0]
            return
        op = _core.operators[call["op"]]
        listed = bool(op.parameters) and op.parameters[0]["kind"] == "tensors"
        names = [p["name"] for p in op.parameters if p["kind"] in OPERAND_KINDS]
        given = {names[0]: operands} if listed else dict(zip(names, operands, strict=True))
        made = op(**{k: v for k, v in given.items() if v is not None}, **{k: now(v) for k, v in call["attrs"].items()})
        if call["kind"] == "in_place":
            registers[call["destination"]][...] = made
        else:
            registers.extend([made] if op.outputs == 1 else made)

    def program(self, **extents: int) -> SimpleNamespace:
        """What to_onnx takes. `extents`: an example of each symbol; types are found by running with it and with one more."""
        runs = []
        for more in (0, 1):
            bound = {k: v + more for k, v in extents.items()}
            example = [np.ones([bound.get(d, d) for d in shape], dtype) for _, dtype, shape in self.inputs]
            runs.append((bound, self.replay(*example)))
        types = [self._type(runs, i) for i in range(self._registers)]
        entry = SimpleNamespace(inputs=self.inputs, leaves=self.leaves, calls=self.calls, types=types, results=_tree(self.results))
        return SimpleNamespace(entries={"forward": entry}, state=self.state)

    @staticmethod
    def _type(runs: list, i: int) -> tuple:
        (bound, first), (_, second) = runs
        shape: list[int | str] = []
        for a, b in zip(first[i].shape, second[i].shape, strict=True):
            if a == b:
                shape.append(a)
                continue
            ((symbol, n),) = bound.items()  # linear in the one symbol
            slope, rest = b - a, a - (b - a) * n
            text = symbol if slope == 1 else f"({symbol} * {slope})"
            shape.append(text if rest == 0 else f"({text} + {rest})")
        return first[i].dtype, tuple(shape)


def _tree(results: Any) -> tuple[str, Any]:
    if isinstance(results, Reg):
        return "tensor", results.number
    if isinstance(results, dict):
        return "dict", {k: _tree(v) for k, v in results.items()}
    return (type(results).__name__, [_tree(r) for r in results]) if isinstance(results, (tuple, list)) else ("value", results)


def registers_of(results: Any) -> list[int]:
    """Of the results, in the order of the model's outputs."""
    if isinstance(results, Reg):
        return [results.number]
    items = results.values() if isinstance(results, dict) else results if isinstance(results, (tuple, list)) else ()
    return [number for item in items for number in registers_of(item)]


def single(call: Any) -> tuple[Procedure, list[np.ndarray]]:
    """A procedure of one operator call (calls.Call), and its inputs."""
    procedure, arrays, operands = Procedure(), [], []
    listed = call.op.parameters and call.op.parameters[0]["kind"] == "tensors"
    for p in call.op.parameters:
        if p["kind"] not in OPERAND_KINDS or p["name"] not in call.arguments:
            continue
        values = call.arguments[p["name"]]
        for value in values if listed else [values]:
            if isinstance(value, (np.ndarray, np.generic)):
                value = np.asarray(value)
                operands.append(procedure.input(f"x{len(arrays)}", value.dtype.name, value.shape))
                arrays.append(value)
            else:
                operands.append(value)
    attrs = {k: v for k, v in call.arguments.items() if k not in {p["name"] for p in call.op.parameters if p["kind"] in OPERAND_KINDS}}
    procedure.results = procedure.call(call.op.__name__, *operands, where="model.py:7", **attrs)
    return procedure, arrays
