"""Powers, division and shifts: elementwise arithmetic whose results ONNX, or the processor, leaves open for some integers."""

import math

from kiln.onnx.call import Call
from kiln.onnx.dims import DimNumber
from kiln.onnx.graph import Value
from kiln.onnx.pointwise import carrier, compare, is_float
from kiln.onnx.table import converts, refuses

# ---- powers -----------------------------------------------------------------------------------------------------------


@converts("pow", "float_power")
def power(c: Call) -> Value:
    x, y = c.promoted()
    exponent = c.operands[1]
    if is_float(x.dtype):
        squared = c.op.__name__ == "pow" and not isinstance(exponent, (Value, DimNumber)) and exponent == 2
        return c.g.node("Mul", x, x) if squared else c.g.node("Pow", x, y)
    if isinstance(exponent, (Value, DimNumber)) or not 0 <= exponent <= 1024:
        c.refuse(
            "integer powers wrap at 64 bits, ONNX's Pow leaves that open", "a constant exponent up to 1024, or operands of a floating dtype"
        )
    return _repeated_product(c, x, int(exponent))


def _repeated_product(c: Call, x: Value, exponent: int) -> Value:
    square = c.g.cast(x, carrier(x.dtype))
    result = c.g.node("Add", c.g.node("Sub", square, square), c.g.constant(1, square.dtype)) if exponent == 0 else None
    while exponent:
        if exponent & 1:
            result = square if result is None else c.g.node("Mul", result, square)
        exponent >>= 1
        square = c.g.node("Mul", square, square) if exponent else square
    return c.g.cast(result, x.dtype)


# ---- division ---------------------------------------------------------------------------------------------------------


def _sides_differ(c: Call, x: Value, y: Value) -> Value:
    return c.g.node("Xor", compare(c, "Less", x, 0), compare(c, "Less", y, 0))


def _float_remainder(c: Call, x: Value, y: Value) -> Value:
    """With the divisor's sign; C's fmod has the dividend's."""
    r = c.g.node("Mod", x, y, fmod=1)
    astray = c.g.node("And", c.g.node("Not", compare(c, "Equal", r, 0)), _sides_differ(c, r, y))
    return c.g.where(astray, c.g.node("Add", r, y), r)


def _safe_divisor(c: Call, y: Value) -> tuple[Value, Value, Value]:
    """Where y is 0 and -1, which processors do not divide all integers by, and 1 in their place."""
    zero, minus = compare(c, "Equal", y, 0), compare(c, "Equal", y, -1)
    return zero, minus, c.g.where(c.g.node("Or", zero, minus), c.g.constant(1, y.dtype), y)


@converts("remainder", made_of="Mod, Where")
def remainder(c: Call) -> Value:
    x, y = c.promoted()
    if is_float(x.dtype):
        return _float_remainder(c, x, y)
    wide = carrier(x.dtype)
    _, _, safe = _safe_divisor(c, c.g.cast(y, wide))
    return c.g.cast(c.g.node("Mod", c.g.cast(x, wide), safe), x.dtype)


@converts("floor_divide", made_of="Mod, Div, Round, Where")
def floor_divide(c: Call) -> Value:
    x, y = c.promoted()
    if is_float(x.dtype):
        return c.g.cast(_float_quotient(c, c.g.cast(x, "float64"), c.g.cast(y, "float64")), x.dtype)
    wide = carrier(x.dtype)
    x, y = c.g.cast(x, wide), c.g.cast(y, wide)
    zero, minus, safe = _safe_divisor(c, y)
    q = c.g.node("Div", x, safe)
    r = c.g.node("Sub", x, c.g.node("Mul", q, safe))
    astray = c.g.node("And", c.g.node("Not", compare(c, "Equal", r, 0)), _sides_differ(c, r, safe))
    q = c.g.where(astray, c.g.node("Sub", q, c.g.constant(1, wide)), q)
    q = c.g.where(minus, c.g.node("Neg", x), q)
    return c.g.cast(c.g.where(zero, c.g.constant(0, wide), q), c.dtype)


def _float_quotient(c: Call, x: Value, y: Value) -> Value:
    """(x - remainder) / y is whole up to rounding. A zero divisor divides as IEEE says; an infinite one gives 0, or -1 across zero."""
    plain = c.g.node("Div", x, y)
    q = c.g.node("Round", c.g.node("Div", c.g.node("Sub", x, _float_remainder(c, x, y)), y))
    across = c.g.node("And", _sides_differ(c, x, y), c.g.node("Not", compare(c, "Equal", x, 0)))
    beyond = c.g.where(across, c.g.constant(-1, "float64"), c.g.constant(0, "float64"))
    infinite = c.g.node("And", c.g.node("IsInf", y, dtype="bool"), compare(c, "Less", c.g.node("Abs", x), math.inf))
    return c.g.where(compare(c, "Equal", y, 0), plain, c.g.where(infinite, beyond, q))


# ---- shifts: ONNX shifts unsigned integers by less than their width ----------------------------------------------------


def _shift(c: Call, direction: str, x: Value, count: Value, within: Value) -> Value:
    unsigned = "uint" + x.dtype.removeprefix("u").removeprefix("int")
    held = c.g.where(within, count, c.g.constant(0, count.dtype))
    bits = c.g.node("BitShift", c.g.cast(x, unsigned), c.g.cast(held, unsigned), direction=direction)
    return c.g.cast(bits, x.dtype)


def _within(c: Call, count: Value) -> Value:
    width = int(count.dtype.removeprefix("u").removeprefix("int"))
    beyond = c.g.node("Less", c.g.constant(width - 1, "int64"), c.g.cast(count, "int64"), dtype="bool")
    return c.g.node("Not", c.g.node("Or", beyond, compare(c, "Less", c.g.cast(count, "int64"), 0)))


@converts("bitwise_left_shift", made_of="BitShift, Where")
def left_shift(c: Call) -> Value:
    x, count = c.promoted()
    within = _within(c, count)
    return c.g.where(within, _shift(c, "LEFT", x, count, within), c.g.constant(0, x.dtype))


@converts("bitwise_right_shift", made_of="BitShift, Where")
def right_shift(c: Call) -> Value:
    """Below zero the bits of -1 - x are shifted, and taken from -1 again."""
    x, count = c.promoted()
    within = _within(c, count)
    zero = c.g.constant(0, x.dtype)
    if x.dtype.startswith("u"):
        return c.g.where(within, _shift(c, "RIGHT", x, count, within), zero)
    minus, negative = c.g.constant(-1, x.dtype), compare(c, "Less", x, 0)
    shifted = _shift(c, "RIGHT", c.g.where(negative, c.g.node("Sub", minus, x), x), count, within)
    beyond = c.g.where(negative, minus, zero)
    return c.g.where(within, c.g.where(negative, c.g.node("Sub", minus, shifted), shifted), beyond)


refuses(
    *("angle", "complex", "conj", "imag", "real"),
    reason="ONNX's operators take no complex numbers",
    remedy="leave it out where numbers are real, or keep the two parts in tensors of their own",
)
refuses(
    "integer_power",
    reason="integer powers wrap, ONNX's Pow leaves that open",
    remedy="pow with a constant exponent up to 1024, or operands of a floating dtype",
)
