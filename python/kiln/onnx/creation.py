"""Tensors out of nothing."""

from kiln.onnx.call import Call, Number
from kiln.onnx.dims import Dim, DimNumber
from kiln.onnx.graph import Value
from kiln.onnx.pointwise import is_float
from kiln.onnx.table import converts


def filled(c: Call, shape: Value, number: Number) -> Value:
    """A tensor of c's dtype, filled with one number."""
    if isinstance(number, (Dim, DimNumber)):
        return c.g.node("Expand", c.number(number, c.dtype), shape)
    value = c.g.number(number, c.dtype)
    return c.g.node("ConstantOfShape", shape, dtype=c.dtype, shape=c.shape, value=c.g.initializers[value.name].reshape(1))


@converts("zeros", "ones", "empty", made_of="ConstantOfShape")
def constant(c: Call) -> Value:
    """What is empty may hold anything, so zeros too."""
    return filled(c, c.dims.shape(c.attributes["shape"]), int(c.op.__name__ == "ones"))


@converts("zeros_like", "ones_like", "empty_like", made_of="ConstantOfShape")
def constant_like(c: Call) -> Value:
    return filled(c, c.g.shape_of(c.x), int(c.op.__name__ == "ones_like"))


@converts("full_like", made_of="ConstantOfShape")
@converts("full", made_of="ConstantOfShape, Expand")
def full(c: Call) -> Value:
    like = c.op.__name__ == "full_like"
    shape = c.g.shape_of(c.x) if like else c.dims.shape(c.attributes["shape"])
    value = c.operands[int(like)]
    return c.g.node("Expand", c.g.cast(value, c.dtype), shape) if isinstance(value, Value) else filled(c, shape, value)


def _counted(c: Call, n: Dim | int) -> Value:
    """0, 1, ..., n - 1."""
    return c.g.node("Range", c.g.constant(0, "int64"), c.dims.value(n), c.g.constant(1, "int64"))


def _wide(c: Call, i: int, dtype: str) -> Value:
    operand = c.operands[i]
    return c.g.cast(operand, dtype) if isinstance(operand, Value) else c.number(operand, dtype)


@converts("sequence", made_of="Range, Mul, Add")
def sequence(c: Call) -> Value:
    return _sequence(c, c.attributes["n"], _wide(c, 0, _width(c)), _wide(c, 1, _width(c)))


def _width(c: Call) -> str:
    return "float64" if is_float(c.dtype) else "int64"


def _sequence(c: Call, n: Dim | int, start: Value, step: Value) -> Value:
    i = c.g.cast(_counted(c, n), _width(c))
    return c.g.cast(c.g.node("Add", start, c.g.node("Mul", i, step)), c.dtype)


@converts("arange")
def arange(c: Call) -> Value:
    start, stop, step = (c.attributes[name] for name in ("start", "stop", "step"))
    if stop is None:
        start, stop = 0, start
    numbers = (start, stop, step)
    (n,) = c.shape
    if isinstance(n, int):
        return _sequence(c, n, c.number(numbers[0], _width(c)), c.number(numbers[2], _width(c)))
    whole = all(isinstance(v, (int, Dim)) for v in numbers)
    if not whole and not is_float(c.dtype):
        c.refuse("integers between symbolic fractions", "arange of integers, or of a floating dtype")
    wide = "int64" if whole else "float64"
    return c.g.cast(c.g.node("Range", *(c.number(v, wide) for v in numbers)), c.dtype)


@converts("linspace", made_of="Range, Mul, Add, Where")
def linspace(c: Call) -> Value:
    n, endpoint = c.attributes["num"], c.constant("endpoint")
    if isinstance(n, Dim):
        c.refuse("its number of elements follows from a symbolic extent", "arange, scaled")
    start, stop = _wide(c, 0, "float64"), _wide(c, 1, "float64")
    i = c.g.cast(_counted(c, n), "float64")
    gap = c.g.node("Div", c.g.node("Sub", stop, start), c.g.constant(max(n - 1 if endpoint else n, 1), "float64"))
    y = c.g.node("Add", start, c.g.node("Mul", i, gap))
    if endpoint and n > 1:
        y = c.g.where(c.g.node("Equal", i, c.g.constant(n - 1, "float64"), dtype="bool"), stop, y)
    return c.g.cast(y if is_float(c.dtype) else c.g.node("Floor", y), c.dtype)


@converts("eye")
def eye(c: Call) -> Value:
    rows, columns = c.attributes["n_rows"], c.attributes["n_cols"]
    shape = c.dims.shape([rows, rows if columns is None else columns])
    plain = c.g.node("ConstantOfShape", shape, dtype="float32", value=c.g.zero("float32"))
    return c.g.cast(c.g.node("EyeLike", plain, k=c.constant("k")), c.dtype)
