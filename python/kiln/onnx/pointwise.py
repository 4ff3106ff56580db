"""Elementwise operators. Those with one ONNX operator of the same meaning need nothing but their operands' dtypes made equal."""

import math

from kiln.onnx.call import Call
from kiln.onnx.graph import Value
from kiln.onnx.table import converts

_OF_BOOLS = {  # what arithmetic and bit operators are on truth values
    "Add": "Or",
    "Mul": "And",
    "Max": "Or",
    "Min": "And",
    "BitwiseAnd": "And",
    "BitwiseOr": "Or",
    "BitwiseXor": "Xor",
    "BitwiseNot": "Not",
}
_NARROW = {"bool", "uint8", "uint16", "int8", "int16"}
_TO_BOOL = {"Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "IsNaN", "IsInf"}
_ANY_DTYPE = {"Identity", "Equal"}
_OF_TRUTH = {"And", "Or", "Xor", "Not"}  # operands are truth values, whatever they were
_SINCE = {"BitwiseAnd": 18, "BitwiseOr": 18, "BitwiseXor": 18, "BitwiseNot": 18}


def one_to_one(c: Call) -> Value:
    """The ONNX operator that the definition names. Bools become the operator of truth values; bool and narrow integers, for which ONNX or
    onnxruntime has no arithmetic, are computed in int32 (uint32 in int64), whose low bits are theirs."""
    name = c.op.onnx
    operands = c.promoted()
    if name in _OF_TRUTH:
        return c.g.node(name, *(c.g.cast(x, "bool") for x in operands))
    dtype = operands[0].dtype
    if dtype == "bool" and name in _OF_BOOLS:
        return c.g.node(_OF_BOOLS[name], *operands)
    c.needs(_SINCE.get(name, 0), name)
    if name not in _ANY_DTYPE:
        operands = [c.g.cast(x, carrier(dtype)) for x in operands]
    made = c.g.node(name, *operands, dtype="bool" if name in _TO_BOOL else None)
    return c.g.cast(made, c.dtype)


def carrier(dtype: str) -> str:
    return "int32" if dtype in _NARROW else "int64" if dtype == "uint32" else dtype


def is_float(dtype: str) -> bool:
    return "float" in dtype


def compare(c: Call, op: str, x: Value, y: Value | float) -> Value:
    return c.g.node(op, x, y if isinstance(y, Value) else c.g.constant(y, x.dtype), dtype="bool")


@converts("not_equal", made_of="Equal, Not")
def not_equal(c: Call) -> Value:
    return c.g.node("Not", c.g.node("Equal", *c.promoted(), dtype="bool"))


@converts("where")
def where(c: Call) -> Value:
    condition, x, y = c.promoted()
    return c.g.where(c.g.cast(condition, "bool"), x, y)


# ---- tests and rounding of floats: integers pass by what they are -----------------------------------------------------


@converts("isnan", "isinf", "isfinite", made_of="Abs, Less")
def float_test(c: Call) -> Value:
    (x,) = c.promoted()
    if not is_float(x.dtype):
        x = c.g.cast(x, "float32")  # finite, as all integers are
    return compare(c, "Less", c.g.node("Abs", x), math.inf) if c.op.__name__ == "isfinite" else c.g.node(c.op.onnx, x, dtype="bool")


@converts("floor", "ceil", "round")
def rounding(c: Call) -> Value:
    (x,) = c.promoted()
    return c.g.node(c.op.onnx if is_float(x.dtype) else "Identity", x)


@converts("trunc", made_of="Floor, Ceil, Where")
def trunc(c: Call) -> Value:
    (x,) = c.promoted()
    if not is_float(x.dtype):
        return c.g.node("Identity", x)
    return c.g.where(compare(c, "Less", x, 0), c.g.node("Ceil", x), c.g.node("Floor", x))


@converts("sign")
def sign(c: Call) -> Value:
    (x,) = c.promoted()
    made = c.g.cast(c.g.node("Sign", c.g.cast(x, carrier(x.dtype))), x.dtype)
    if not is_float(x.dtype):
        return made
    return c.g.where(c.g.node("IsNaN", x, dtype="bool"), x, made)  # ONNX does not say what the sign of NaN is


@converts("relu")
def relu(c: Call) -> Value:
    (x,) = c.promoted()
    if x.dtype.startswith("u"):
        return c.g.node("Identity", x)
    return c.g.node("Relu", x) if is_float(x.dtype) else c.g.node("Max", x, c.g.constant(0, x.dtype))


@converts("relu_backward", made_of="Greater, Where")
def relu_backward(c: Call) -> Value:
    x, dy = c.promoted()
    return c.g.where(compare(c, "Greater", x, 0), dy, c.g.constant(0, dy.dtype))


@converts("clip")
def clip(c: Call) -> Value:
    x, low, high = c.promoted()
    if not any(isinstance(bound, Value) for bound in c.operands[1:]):
        return c.g.node("Clip", x, low, high)
    dtype = carrier(x.dtype)
    made = c.g.cast(x, dtype)
    for op, bound in (("Max", low), ("Min", high)):  # what Clip does with numbers, with tensors
        if bound is not None:
            made = c.g.node(op, made, c.g.cast(bound, dtype))
    return c.g.cast(made, x.dtype)


# ---- made of others ---------------------------------------------------------------------------------------------------


@converts("square", made_of="Mul")
def square(c: Call) -> Value:
    (x,) = c.promoted()
    wide = c.g.cast(x, carrier(x.dtype))
    return c.g.cast(c.g.node("Mul", wide, wide), x.dtype)


@converts("rsqrt", made_of="Sqrt, Reciprocal")
def rsqrt(c: Call) -> Value:
    return c.g.node("Reciprocal", c.g.node("Sqrt", *c.promoted()))


@converts("silu", made_of="Sigmoid, Mul")
def silu(c: Call) -> Value:
    (x,) = c.promoted()
    return c.g.node("Mul", x, c.g.node("Sigmoid", x))


@converts("leaky_relu")
def leaky_relu(c: Call) -> Value:
    return c.g.node("LeakyRelu", *c.promoted(), alpha=float(c.constant("negative_slope")))


@converts("expm1", made_of="Tanh, Exp, Where")
def expm1(c: Call) -> Value:
    """exp(x) - 1 loses its digits near zero, where 2t / (1 - t) with t = tanh(x / 2) has them."""
    (x,) = c.promoted()
    one, two, half = (c.g.constant(v, x.dtype) for v in (1, 2, 0.5))
    t = c.g.node("Tanh", c.g.node("Mul", x, half))
    near = c.g.node("Div", c.g.node("Mul", t, two), c.g.node("Sub", one, t))
    return c.g.where(compare(c, "Less", c.g.node("Abs", x), 1), near, c.g.node("Sub", c.g.node("Exp", x), one))


@converts("log1p", made_of="Log, Div, Where")
def log1p(c: Call) -> Value:
    """log(u) * (x / (u - 1)) with u = 1 + x: the rounding of u cancels (Goldberg 1991, theorem 4)."""
    (x,) = c.promoted()
    one = c.g.constant(1, x.dtype)
    u = c.g.node("Add", x, one)
    log = c.g.node("Log", u)
    exact = c.g.node("Mul", log, c.g.node("Div", x, c.g.node("Sub", u, one)))
    result = c.g.where(c.g.node("Equal", u, one, dtype="bool"), x, exact)
    return c.g.where(c.g.node("IsInf", u, dtype="bool"), log, result)


@converts("gelu")
def gelu(c: Call) -> Value:
    (x,) = c.promoted()
    approximate = c.constant("approximate")
    if c.g.opset >= 20 and x.dtype == "float32":
        return c.g.node("Gelu", x, approximate=approximate)

    def times(y: Value, factor: float) -> Value:
        return c.g.node("Mul", y, c.g.constant(factor, x.dtype))

    def plus_one(y: Value) -> Value:
        return c.g.node("Add", y, c.g.constant(1, x.dtype))

    if approximate == "tanh":
        cubic = c.g.node("Mul", x, plus_one(times(c.g.node("Mul", x, x), 0.044715)))
        odd = c.g.node("Tanh", times(cubic, math.sqrt(2 / math.pi)))
    else:
        odd = c.g.node("Erf", times(x, math.sqrt(0.5)))
    return c.g.node("Mul", times(x, 0.5), plus_one(odd))
