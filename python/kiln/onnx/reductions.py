"""Reductions over axes, and what is normalised along one."""

import math

from kiln.onnx.call import Call
from kiln.onnx.graph import Value
from kiln.onnx.pointwise import carrier, is_float
from kiln.onnx.table import converts


@converts("sum", "prod")
def accumulate(c: Call) -> Value:
    x = c.x
    wide = c.g.cast(x, "int64" if c.dtype == "uint64" else carrier(c.dtype))  # whose sums and products have the same bits
    return c.g.cast(_or_copy(c, c.g.reduce(c.op.onnx, wide, c.axes(x), c.constant("keepdims"))), c.dtype)


@converts("mean")
def mean(c: Call) -> Value:
    (x,) = c.promoted()
    axes, keepdims = c.axes(c.x), c.constant("keepdims")
    if any(c.x.shape[i] == 0 for i in axes):  # NaN, which ONNX leaves open
        return c.g.node("Div", c.g.reduce("ReduceSum", x, axes, keepdims), c.g.constant(0, x.dtype))
    return _or_copy(c, c.g.reduce("ReduceMean", x, axes, keepdims))


@converts("max", "min")
def extreme(c: Call) -> Value:
    """NaN wins, which ONNX leaves open."""
    x = c.x
    axes, keepdims = c.axes(x), c.constant("keepdims")
    return c.g.cast(_or_copy(c, _nan_wins(c, c.op.onnx, c.g.cast(x, carrier(x.dtype)), axes, keepdims)), c.dtype)


def _nan_wins(c: Call, op: str, x: Value, axes: list[int], keepdims: bool) -> Value:
    found = c.g.reduce(op, x, axes, keepdims)
    if not is_float(x.dtype) or not axes:
        return found
    return c.g.where(_any_nan(c, x, axes, keepdims), c.g.constant(math.nan, x.dtype), found)


def _any_nan(c: Call, x: Value, axes: list[int], keepdims: bool) -> Value:
    nan = c.g.cast(c.g.node("IsNaN", x, dtype="bool"), "int32")
    return c.g.cast(c.g.reduce("ReduceMax", nan, axes, keepdims), "bool")


@converts("all", made_of="Cast, ReduceSum, Equal")
def all_true(c: Call) -> Value:
    return c.g.node("Equal", _count(c, c.g.node("Not", c.g.cast(c.x, "bool"))), c.g.constant(0, "int64"), dtype="bool")


@converts("any", made_of="Cast, ReduceSum, Greater")
def any_true(c: Call) -> Value:
    return c.g.node("Greater", _count(c, c.g.cast(c.x, "bool")), c.g.constant(0, "int64"), dtype="bool")


@converts("count_nonzero", made_of="Cast, ReduceSum")
def count_nonzero(c: Call) -> Value:
    return _count(c, c.g.cast(c.x, "bool"))


def _count(c: Call, truth: Value) -> Value:
    return c.g.reduce("ReduceSum", c.g.cast(truth, "int64"), c.axes(c.x), c.constant("keepdims"))


def _or_copy(c: Call, made: Value) -> Value:
    return c.g.node("Identity", made) if made is c.operands[0] else made


@converts("var", made_of="ReduceMean, Sub, Mul, ReduceSum, Div")
def variance(c: Call) -> Value:
    return _variance(c)


@converts("std", made_of="ReduceMean, Sub, Mul, ReduceSum, Div, Sqrt")
def standard_deviation(c: Call) -> Value:
    return c.g.node("Sqrt", _variance(c))


def _variance(c: Call) -> Value:
    """In two passes, over count - correction, but never over less than none."""
    (x,) = c.promoted()
    axes = c.axes(c.x)
    distance = c.g.node("Sub", x, c.g.reduce("ReduceMean", x, axes, True))
    total = c.g.reduce("ReduceSum", c.g.node("Mul", distance, distance), axes, c.constant("keepdims"))
    correction = float(c.constant("correction"))
    extents = [c.x.shape[i] for i in axes]
    if all(isinstance(d, int) for d in extents):
        return c.g.node("Div", total, c.g.constant(max(0.0, math.prod(extents) - correction), x.dtype))
    count = c.g.cast(c.g.size_of(c.x, axes), x.dtype)
    freedom = c.g.node("Max", c.g.node("Sub", count, c.g.constant(correction, x.dtype)), c.g.constant(0, x.dtype))
    return c.g.node("Div", total, freedom)


@converts("logsumexp")
def logsumexp(c: Call) -> Value:
    (x,) = c.promoted()
    return _or_copy(c, c.g.reduce("ReduceLogSumExp", x, c.axes(c.x), c.constant("keepdims")))


@converts("softmax", "log_softmax")
def softmax(c: Call) -> Value:
    return c.g.node(c.op.onnx, *c.promoted(), axis=c.constant("axis"))


@converts("argmax", "argmin")
def position(c: Call) -> Value:
    """The first position of several equals, as ONNX says; the first NaN before all, which it leaves open."""
    x = c.x
    axis, keepdims = c.constant("axis"), int(c.constant("keepdims"))
    if axis is None:
        flat = _position(c, Value(c.g.flat(x).name, x.dtype, ("_",)), 0, 0)
        return c.g.reshape(flat, c.g.ints([1] * x.rank)) if keepdims else flat
    return _position(c, x, axis % x.rank, keepdims)


def _position(c: Call, x: Value, axis: int, keepdims: int) -> Value:
    wide = c.g.cast(x, carrier(x.dtype))
    found = c.g.node(c.op.onnx, wide, dtype="int64", axis=axis, keepdims=keepdims)
    if not is_float(x.dtype):
        return found
    nan = c.g.cast(c.g.node("IsNaN", x, dtype="bool"), "int32")
    first = c.g.node("ArgMax", nan, dtype="int64", axis=axis, keepdims=keepdims)
    return c.g.where(_any_nan(c, x, [axis], bool(keepdims)), first, found)
