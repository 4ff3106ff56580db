"""Numbers that follow from shapes, computed by the model: the text of an expression becomes int64 nodes over the inputs' extents."""

import re
from dataclasses import dataclass

from kiln.onnx.graph import Graph, Value

_TOKEN = re.compile(r"\s*(max\b|\w+|-\d+|//|[-+*%(),])")
_NODE = {"+": "Add", "*": "Mul", "//": "Div", "%": "Mod", "max": "Max"}


@dataclass(frozen=True)
class Dim:
    """An integer that is known when the model runs: "(batch * 3)"."""

    text: str


@dataclass(frozen=True)
class DimNumber:
    """A number that follows from a Dim: itself (form None), factor * dim (product), factor / dim (quotient) or dim / factor (ratio)."""

    dim: Dim
    form: str | None = None
    factor: float = 1.0


class Dims:
    """Writes the nodes that compute Dims, each once."""

    def __init__(self, graph: Graph, symbols: dict[str, tuple[Value, int]]):
        self._graph = graph
        self._symbols = symbols  # where each is found: an input and its axis
        self._known: dict[str, Value] = {}

    def value(self, dim: Dim | int) -> Value:
        """int64, 0-d."""
        if isinstance(dim, int):
            return self._graph.constant(dim, "int64")
        tokens = _tokens(dim.text)
        made = self._parse(tokens, dim.text)
        if tokens:
            raise ValueError(f"the dimension {dim.text!r} is not an expression")
        return made

    def number(self, number: DimNumber, dtype: str) -> Value:
        """0-d. Fractions are computed in float64, as Python does."""
        dim = self.value(number.dim)
        if number.form is None:
            return self._graph.cast(dim, dtype)
        wide, factor = self._graph.cast(dim, "float64"), self._graph.constant(number.factor, "float64")
        op, *sides = {"product": ("Mul", factor, wide), "quotient": ("Div", factor, wide), "ratio": ("Div", wide, factor)}[number.form]
        return self._graph.cast(self._graph.node(op, *sides, shape=()), dtype)

    def shape(self, extents) -> Value:
        """A 1-d int64 tensor of ints and Dims."""
        if all(isinstance(d, int) for d in extents):
            return self._graph.ints(extents)
        parts = [self._graph.ints([d]) if isinstance(d, int) else self._graph.unsqueeze(self.value(d), [0]) for d in extents]
        return parts[0] if len(parts) == 1 else self._graph.node("Concat", *parts, axis=0)

    def _parse(self, tokens: list[str], text: str) -> Value:
        token = tokens.pop(0) if tokens else ""
        if token in ("(", "max"):
            if token == "max":
                _expect(tokens, "(", text)
            left = self._parse(tokens, text)
            op = tokens.pop(0) if tokens else ""
            right = self._parse(tokens, text)
            _expect(tokens, ")", text)
            return self._binary("max" if token == "max" and op == "," else op, left, right, text)
        if token.lstrip("-").isdigit():
            return self._graph.constant(int(token), "int64")
        if token not in self._symbols:
            raise ValueError(f"the dimension {text!r} holds '{token}', which is no extent of an input")
        if token not in self._known:
            value, axis = self._symbols[token]
            extent = self._graph.node("Shape", value, dtype="int64", start=axis, end=axis + 1)
            self._known[token] = self._graph.squeeze(extent, [0])
        return self._known[token]

    def _binary(self, op: str, left: Value, right: Value, text: str) -> Value:
        if op not in _NODE:
            raise ValueError(f"the dimension {text!r} is not an expression")
        key = f"{left.name} {op} {right.name}"
        if key not in self._known:
            if op == "//":  # rounds down; ONNX's Div rounds to zero
                left = self._graph.node("Sub", left, self._graph.node("Mod", left, right, shape=()), shape=())
            self._known[key] = self._graph.node(_NODE[op], left, right, shape=())
        return self._known[key]


def _tokens(text: str) -> list[str]:
    tokens, at = [], 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"the dimension {text!r} is not an expression")
        tokens.append(match[1])
        at = match.end()
    return tokens


def _expect(tokens: list[str], token: str, text: str) -> None:
    if not tokens or tokens.pop(0) != token:
        raise ValueError(f"the dimension {text!r} is not an expression")
