"""An ONNX graph while it is written: nodes, constants and names, as plain data. file.py makes the package onnx's objects of it."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kiln._core import operators

Extent = int | str  # a constant, or an expression over the inputs' symbols: "batch", "((batch * 28) + 1)"


@dataclass(frozen=True)
class Value:
    """What a node makes, an initializer or an input. The shape is None where no converter needs it."""

    name: str
    dtype: str
    shape: tuple[Extent, ...] | None = None

    @property
    def rank(self) -> int:
        return len(self.shape)


@dataclass
class Node:
    op: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]
    line: str  # of the user's code


@dataclass
class Graph:
    """Collects nodes. `opset` is what they may use; `line` is the user's, whose call is being converted."""

    opset: int
    nodes: list[Node] = field(default_factory=list)
    initializers: dict[str, np.ndarray] = field(default_factory=dict)
    inputs: list[Value] = field(default_factory=list)
    outputs: list[Value] = field(default_factory=list)
    line: str = ""
    scope: str = "value"  # what fresh names begin with: the operator that is being converted

    def __post_init__(self) -> None:
        self._taken: set[str] = set()
        self._counts: dict[str, int] = {}
        self._constants: dict[tuple, Value] = {}

    def unique(self, name: str) -> str:
        """`name`, or `name` with the least number that makes it new."""
        made = name
        while made in self._taken:
            self._counts[name] = self._counts.get(name, 0) + 1
            made = f"{name}_{self._counts[name]}"
        self._taken.add(made)
        return made

    # ---- nodes --------------------------------------------------------------------------------------------------------

    def node(self, op: str, *inputs: Value | None, dtype: str | None = None, shape=None, **attributes: Any) -> Value:
        """The one result of an ONNX operator; its dtype is the first input's unless given."""
        return self.node_of_many(op, *inputs, dtypes=[dtype or inputs[0].dtype], shapes=[shape], **attributes)[0]

    def node_of_many(self, op: str, *inputs: Value | None, dtypes: list[str], shapes=None, **attributes: Any) -> list[Value]:
        shapes = shapes or [None] * len(dtypes)
        results = [
            Value(self.unique(self.scope), dtype, None if shape is None else tuple(shape))
            for dtype, shape in zip(dtypes, shapes, strict=True)
        ]
        names = ["" if x is None else x.name for x in inputs]
        while names and not names[-1]:
            names.pop()
        self.nodes.append(Node(op, names, [r.name for r in results], attributes, self.line))
        return results

    def initializer(self, name: str, array: np.ndarray) -> Value:
        """A named array of its own, such as a parameter."""
        value = Value(self.unique(name), array.dtype.name, array.shape)
        self.initializers[value.name] = array
        return value

    def constant(self, value: Any, dtype: str) -> Value:
        """A small array; equal ones are one. NumPy converts, so numbers must be in range (see number)."""
        array = np.array(value, dtype)
        key = (dtype, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = self.initializer("constant", array)
        return self._constants[key]

    def number(self, value: bool | int | float, dtype: str) -> Value:
        """A Python number as Kiln converts it to dtype: rounded, saturated or wrapped."""
        return self.constant(operators["full"]((), value, dtype).numpy(), dtype)

    # ---- what many conversions are made of ----------------------------------------------------------------------------

    def cast(self, x: Value, dtype: str) -> Value:
        """x in another dtype, by Kiln's rule: floats to integers truncate and saturate and NaN is 0, which ONNX leaves open."""
        if x.dtype == dtype:
            return x
        if "float" in x.dtype and np.dtype(dtype).kind in "iu":
            return self._saturated(x, dtype)
        return self.node("Cast", x, dtype=dtype, shape=x.shape, to=dtype)

    def _saturated(self, x: Value, dtype: str) -> Value:
        """Of int32, int64 and uint8, which onnxruntime selects among; the others through a wider one of these."""
        limits = np.iinfo(dtype)
        if dtype in ("int8", "int16", "uint16", "uint32"):
            wide = "int64" if dtype == "uint32" else "int32"
            held = self.node(
                "Min", self.node("Max", self._saturated(x, wide), self.constant(limits.min, wide)), self.constant(limits.max, wide)
            )
            return self.node("Cast", held, dtype=dtype, shape=x.shape, to=dtype)
        if dtype == "uint64":  # the upper half by way of the lower one, whose bits it has but for the first
            zero, half = self.constant(0, x.dtype), self.constant(2.0**63, x.dtype)
            lower = self._saturated(self.where(self.node("Greater", x, zero, dtype="bool"), x, zero), "int64")
            upper = self.node("Add", self._saturated(self.node("Sub", x, half), "int64"), self.constant(-(2**63), "int64"))
            bits = self.where(self.node("GreaterOrEqual", x, half, dtype="bool"), upper, lower)
            return self.node("Cast", bits, dtype=dtype, shape=x.shape, to=dtype)
        least, greatest = (self.constant(float(limit), x.dtype) for limit in (limits.min, limits.max))  # or the next float beyond
        below, above = self.node("Less", x, least, dtype="bool"), self.node("GreaterOrEqual", x, greatest, dtype="bool")
        outside = self.node("Or", self.node("Or", below, above), self.node("IsNaN", x, dtype="bool"))
        inside = self.node("Where", outside, self.constant(0, x.dtype), x, dtype=x.dtype)
        whole = self.node("Cast", inside, dtype=dtype, to=dtype)
        held = self.node("Where", above, self.constant(limits.max, dtype), whole, dtype=dtype)
        return self.node("Where", below, self.constant(limits.min, dtype), held, dtype=dtype, shape=x.shape)

    def where(self, condition: Value, x: Value, y: Value) -> Value:
        """Where, also of bools, for which onnxruntime has no kernel."""
        if x.dtype != "bool":
            return self.node("Where", condition, x, y, dtype=x.dtype)
        return self.node("Or", self.node("And", condition, x), self.node("And", self.node("Not", condition), y))

    @staticmethod
    def zero(dtype: str) -> np.ndarray:
        """What ConstantOfShape fills with: an array of one element."""
        return np.zeros(1, dtype)

    def ints(self, values) -> Value:
        return self.constant(list(values), "int64")

    def size_of(self, x: Value, axes=None) -> Value:
        """The number of elements along axes (None: of all of x), int64 and 0-d, known when the model runs."""
        if axes is None:
            return self.node("Size", x, dtype="int64", shape=())
        extents = self.node("Gather", self.shape_of(x), self.ints(axes), axis=0)
        return self.node("ReduceProd", extents, keepdims=0, shape=())

    def shape_of(self, x: Value) -> Value:
        if x.shape is not None and all(isinstance(d, int) for d in x.shape):
            return self.ints(x.shape)
        return self.node("Shape", x, dtype="int64")

    def reshape(self, x: Value, shape: Value, result=None) -> Value:
        return self.node("Reshape", x, shape, shape=result, allowzero=1)

    def flat(self, x: Value) -> Value:
        return self.node("Reshape", x, self.ints([-1]))

    def transpose(self, x: Value, order) -> Value:
        if not order:
            return self.node("Identity", x)
        shape = None if x.shape is None else [x.shape[i] for i in order]
        return self.node("Transpose", x, shape=shape, perm=list(order))

    def unsqueeze(self, x: Value, axes) -> Value:
        return self.node("Unsqueeze", x, self.ints(axes))

    def squeeze(self, x: Value, axes) -> Value:
        return self.node("Squeeze", x, self.ints(axes))

    def reduce(self, op: str, x: Value, axes, keepdims: bool) -> Value:
        """A Reduce operator over a list of axes: none leaves x as it is."""
        if not axes:
            return x
        if self.opset >= 18 or op == "ReduceSum":  # where axes became an input
            return self.node(op, x, self.ints(axes), keepdims=int(keepdims))
        return self.node(op, x, axes=list(axes), keepdims=int(keepdims))

    # ---- the end ------------------------------------------------------------------------------------------------------

    def finish(self, results: list[tuple[str, Value]]) -> None:
        """Gives the outputs their names, which unique() has made, and drops what none of them needs."""
        made = {name: node for node in self.nodes for name in node.outputs}
        renamed: dict[str, str] = {}
        for name, value in results:
            if value.name in made and value.name not in renamed:
                renamed[value.name] = name
            else:  # an input, a parameter, or a result that is named twice
                self.nodes.append(Node("Identity", [value.name], [name], {}, ""))
            self.outputs.append(Value(name, value.dtype, value.shape))
        for node in self.nodes:
            node.inputs = [renamed.get(name, name) for name in node.inputs]
            node.outputs = [renamed.get(name, name) for name in node.outputs]
        needed = {value.name for value in self.outputs}
        kept = []
        for node in reversed(self.nodes):
            if needed.intersection(node.outputs):
                needed.update(node.inputs)
                kept.append(node)
        self.nodes = kept[::-1]
        self.initializers = {name: array for name, array in self.initializers.items() if name in needed}
