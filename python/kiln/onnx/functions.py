"""Math functions that ONNX has no operator for, made of its own. They are as exact as those are: none promises anything."""

import math

from kiln.onnx.call import Call
from kiln.onnx.graph import Value
from kiln.onnx.table import converts


def times(c: Call, x: Value, factor: float) -> Value:
    return c.g.node("Mul", x, c.g.constant(factor, x.dtype))


@converts("exp2", made_of="Pow")
def exp2(c: Call) -> Value:
    (x,) = c.promoted()
    return c.g.node("Pow", c.g.constant(2, x.dtype), x)


@converts("log2", "log10", made_of="Log, Mul")
def log_to_base(c: Call) -> Value:
    (x,) = c.promoted()
    return times(c, c.g.node("Log", x), 1 / math.log(2 if c.op.__name__ == "log2" else 10))


@converts("cbrt", made_of="Abs, Pow, Where")
def cbrt(c: Call) -> Value:
    (x,) = c.promoted()
    root = c.g.node("Pow", c.g.node("Abs", x), c.g.constant(1 / 3, x.dtype))
    return c.g.where(c.g.node("Less", x, c.g.constant(0, x.dtype), dtype="bool"), c.g.node("Neg", root), root)
