"""One operator call as its converter sees it."""

from typing import Any, NoReturn

from kiln import _core
from kiln._core import Operator
from kiln.onnx.dims import Dim, DimNumber, Dims
from kiln.onnx.graph import Extent, Graph, Value

Number = bool | int | float | Dim | DimNumber


class Unsupported(NotImplementedError):
    """A call that ONNX cannot say."""


class Call:
    """Operands, attributes and result types of a call, and the graph that its nodes go to."""

    def __init__(self, graph: Graph, dims: Dims, op: Operator, operands: list[Value | Number | None], attributes: dict[str, Any], results):
        self.g = graph
        self.dims = dims
        self.op = op
        self.operands = operands
        self.attributes = attributes
        self.results: list[tuple[str, tuple[Extent, ...]]] = results  # dtype and shape of each output

    @property
    def dtype(self) -> str:
        """Of the first result."""
        return self.results[0][0]

    @property
    def shape(self) -> tuple[Extent, ...]:
        """Of the first result."""
        return self.results[0][1]

    @property
    def x(self) -> Value:
        """The first operand, as it is."""
        return self.tensor(0)

    def tensor(self, i: int) -> Value:
        """Operand i in its own dtype; a number becomes a 0-d tensor."""
        operand = self.operands[i]
        return operand if isinstance(operand, Value) else self.number(operand, self.dtypes(own=True)[i])

    def number(self, number: Number, dtype: str) -> Value:
        if isinstance(number, Dim):
            number = DimNumber(number)
        return self.dims.number(number, dtype) if isinstance(number, DimNumber) else self.g.number(number, dtype)

    def promoted(self) -> list[Value | None]:
        """The operands in the dtypes that Kiln's rule of promotion casts them to."""
        made: list[Value | None] = []
        for operand, dtype in zip(self.operands, self.dtypes(), strict=True):
            if operand is None:
                made.append(None)
            else:
                made.append(self.g.cast(operand, dtype) if isinstance(operand, Value) else self.number(operand, dtype))
        return made

    def dtypes(self, own: bool = False) -> list[str]:
        """What each operand is cast to; `own`: what it is, numbers by their kind."""
        kinds = [_kind(operand) for operand in self.operands]
        if own:
            return [kind if isinstance(kind, str) else _core.operators["full"]((), kind).dtype.name for kind in kinds]
        return [dtype.name for dtype in self.op.operand_dtypes(kinds)]

    def axes(self, x: Value, name: str = "axis") -> list[int]:
        """An attribute of axes, counted from the front, in order; None is all."""
        given = self.attributes[name]
        if given is None:
            return list(range(x.rank))
        return sorted({axis % x.rank for axis in ((given,) if isinstance(given, int) else given)})

    def pair(self, name: str) -> list[int]:
        """An attribute of one number, or one for each of two axes."""
        given = self.constant(name)
        pair = [given] if isinstance(given, int) else list(given)
        return pair * 2 if len(pair) == 1 else pair

    def constant(self, name: str) -> Any:
        """An attribute that ONNX wants as a constant."""
        value = self.attributes[name]
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, (Dim, DimNumber)):
                self.refuse(f"its {name} follows from a symbolic extent", "make that extent a constant in the specification of the input")
        return value

    def refuse(self, reason: str, remedy: str) -> NoReturn:
        at = f" at {self.g.line}" if self.g.line else ""
        raise Unsupported(f"to_onnx: {self.op.__name__}{at} has no equivalent in ONNX: {reason}. Remedy: {remedy}")

    def needs(self, opset: int, what: str) -> None:
        if self.g.opset < opset:
            self.refuse(f"{what} came with opset {opset}, this export is of opset {self.g.opset}", f"to_onnx(path, opset={opset})")


def _kind(operand: Value | Number | None) -> Any:
    """What operand_dtypes takes: a dtype, a number of the operand's kind, or None."""
    if isinstance(operand, Value):
        return operand.dtype
    if isinstance(operand, DimNumber):
        return 0 if operand.form is None else 0.0
    return operand
