"""What each operator becomes: the one table, by operator name.

Most elementwise operators have one ONNX operator of the same meaning, which their definition names (`onnx` in eager/ops/); those need no
entry. The modules of this folder register the rest: converters with @converts, and what ONNX cannot say with refuses().
"""

from collections.abc import Callable
from dataclasses import dataclass

from kiln._core import Operator, operators
from kiln.onnx.call import Call
from kiln.onnx.graph import Value

Convert = Callable[[Call], Value | list[Value]]


@dataclass(frozen=True)
class Converter:
    convert: Convert
    made_of: str  # the ONNX operators, where the definition names none
    view: bool  # is the result another look at operand 0's elements, so that writes go through it?


@dataclass(frozen=True)
class Refusal:
    reason: str
    remedy: str


CONVERTERS: dict[str, Converter] = {}
REFUSALS: dict[str, Refusal] = {}


def converts(*names: str, made_of: str = "", view: bool = False) -> Callable[[Convert], Convert]:
    """Registers a converter: from a call to the values of its results, in their own dtypes."""

    def register(convert: Convert) -> Convert:
        for name in names:
            CONVERTERS[operators[name].__name__] = Converter(convert, made_of, view)
        return convert

    return register


def refuses(*names: str, reason: str, remedy: str) -> None:
    """Registers operators that ONNX has no words for."""
    for name in names:
        REFUSALS[operators[name].__name__] = Refusal(reason, remedy)


def refusal_of(op: Operator) -> Refusal | None:
    """Why the operator has no equivalent, or None if it has."""
    if op.__name__ in CONVERTERS or (op.onnx and op.family == "pointwise"):
        return None
    unknown = Refusal("nobody has said what it is in ONNX", "write it in other operators, or add a converter to kiln/onnx/")
    return REFUSALS.get(op.__name__, unknown)


def equivalent(op: Operator) -> str:
    """What the operator becomes, for people: "Softmax", "made of Sqrt, Reciprocal"; empty if ONNX has no equivalent."""
    if refusal_of(op) is not None:
        return ""
    return op.onnx or f"made of {CONVERTERS[op.__name__].made_of}"


def page() -> str:
    """The table of docs/onnx.md."""
    ops = sorted({op.__name__: op for op in operators.values()}.items())
    lines = ["| operator | in ONNX |", "|---|---|"]
    for name, op in ops:
        refusal = refusal_of(op)
        lines.append(f"| `{name}` | {equivalent(op) if refusal is None else f'none: {refusal.reason}'} |")
    return "\n".join(lines) + "\n"
