"""Math functions that ONNX has no operator for, made of its own. They are as exact as those are: none promises anything."""

import math

from kiln.onnx.call import Call
from kiln.onnx.graph import Value
from kiln.onnx.table import converts, refuses


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


@converts("erfc", made_of="Erf, Sub")
def erfc(c: Call) -> Value:
    """Loses its digits where it is small: ONNX has nothing else to make it of."""
    (x,) = c.promoted()
    return c.g.node("Sub", c.g.constant(1, x.dtype), c.g.node("Erf", x))


@converts("hypot", made_of="Abs, Max, Min, Div, Sqrt, Mul, Where")
def hypot(c: Call) -> Value:
    """The larger times sqrt(1 + ratio^2), which does not overflow."""
    x, y = (c.g.node("Abs", v) for v in c.promoted())
    large, small = c.g.node("Max", x, y), c.g.node("Min", x, y)
    zero, one = c.g.constant(0, x.dtype), c.g.constant(1, x.dtype)
    same = c.g.node("Equal", large, small, dtype="bool")  # zeros and infinities have no ratio
    ratio = c.g.where(same, one, c.g.node("Div", small, large))
    ratio = c.g.where(c.g.node("Equal", large, zero, dtype="bool"), zero, ratio)
    result = c.g.node("Mul", large, c.g.node("Sqrt", c.g.node("Add", one, c.g.node("Mul", ratio, ratio))))
    infinite = [c.g.node("IsInf", v, dtype="bool") for v in (x, y)]
    return c.g.where(c.g.node("Or", *infinite), c.g.constant(math.inf, x.dtype), result)


@converts("logaddexp", made_of="Max, Sub, Exp, Log, Where")
def logaddexp(c: Call) -> Value:
    """max + log(1 + exp(-|difference|)), the difference of equal infinities being none."""
    x, y = c.promoted()
    largest = c.g.node("Max", x, y)
    zero, one = c.g.constant(0, x.dtype), c.g.constant(1, x.dtype)
    distance = c.g.where(c.g.node("Equal", x, y, dtype="bool"), zero, c.g.node("Abs", c.g.node("Sub", x, y)))
    return c.g.node("Add", largest, c.g.node("Log", c.g.node("Add", one, c.g.node("Exp", c.g.node("Neg", distance)))))


@converts("atan2", made_of="Div, Atan, Less, Where")
def atan2(c: Call) -> Value:
    """The angle of |y| / |x|, then into the quadrant that the signs say; the sign of a zero is that of its reciprocal."""
    y, x = c.promoted()
    zero, pi = c.g.constant(0, x.dtype), c.g.constant(math.pi, x.dtype)

    def below_zero(v: Value) -> Value:
        reciprocal = c.g.node("Less", c.g.node("Div", c.g.constant(1, v.dtype), v), zero, dtype="bool")
        return c.g.where(c.g.node("Equal", v, zero, dtype="bool"), reciprocal, c.g.node("Less", v, zero, dtype="bool"))

    high, wide = c.g.node("Abs", y), c.g.node("Abs", x)
    one = c.g.constant(1, x.dtype)
    ratio = c.g.where(c.g.node("Equal", high, wide, dtype="bool"), one, c.g.node("Div", high, wide))
    ratio = c.g.where(
        c.g.node("Equal", high, zero, dtype="bool"), c.g.where(c.g.node("Equal", wide, zero, dtype="bool"), zero, ratio), ratio
    )
    angle = c.g.node("Atan", ratio)
    angle = c.g.where(below_zero(x), c.g.node("Sub", pi, angle), angle)
    return c.g.where(below_zero(y), c.g.node("Neg", angle), angle)


refuses(
    "lgamma",
    "digamma",
    reason="ONNX has no gamma function",
    remedy="export what comes before and after it, and compute it outside the model",
)
