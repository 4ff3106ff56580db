"""Views, copies and joins: the same elements in other places."""

import numpy as np

from kiln.onnx.call import Call
from kiln.onnx.dims import Dim
from kiln.onnx.graph import Graph, Value
from kiln.onnx.table import converts

_BEFORE_THE_FIRST = int(np.iinfo(np.int64).min)  # where a slice with a negative step ends that takes the first element too


@converts("view", "reshape", view=True)
def reshape(c: Call) -> Value:
    wanted = c.attributes["shape"]
    return c.g.reshape(c.x, c.dims.shape(_what_is_left(wanted) or wanted))


def _what_is_left(shape) -> list[int] | None:
    """The shape with -1 for its only extent that is no number; None where that does not say it."""
    known = [d for d in shape if isinstance(d, int)]
    if len(shape) - len(known) > 1 or any(d <= 0 for d in known):
        return None
    return [d if isinstance(d, int) else -1 for d in shape]


@converts("flatten", made_of="Reshape", view=True)
def flatten(c: Call) -> Value:
    x = c.x
    if x.rank == 0:
        return c.g.reshape(x, c.g.ints([1]))
    first, last = (c.constant(name) % x.rank for name in ("start_dim", "end_dim"))
    known = _what_is_left(c.shape) or _what_is_left((*x.shape[:first], "_", *x.shape[last + 1 :]))
    if known is not None:
        return c.g.reshape(x, c.g.ints(known))
    joined = c.g.unsqueeze(c.g.size_of(x, range(first, last + 1)), [0])
    before, after = (c.g.node("Slice", c.g.shape_of(x), c.g.ints([a]), c.g.ints([b])) for a, b in ((0, first), (last + 1, x.rank)))
    return c.g.reshape(x, c.g.node("Concat", before, joined, after, axis=0))


@converts("permute_dims", view=True)
def permute_dims(c: Call) -> Value:
    return c.g.transpose(c.x, [axis % c.x.rank for axis in c.constant("axes")])


@converts("matrix_transpose", view=True)
def matrix_transpose(c: Call) -> Value:
    return c.g.transpose(c.x, swapped(c.x.rank, -1, -2))


@converts("swapaxes", view=True)
def swapaxes(c: Call) -> Value:
    return c.g.transpose(c.x, swapped(c.x.rank, c.constant("axis1"), c.constant("axis2")))


def swapped(rank: int, a: int, b: int) -> list[int]:
    order = list(range(rank))
    order[a], order[b] = order[b], order[a]
    return order


@converts("expand_dims", view=True)
def expand_dims(c: Call) -> Value:
    given = c.constant("axis")
    return c.g.unsqueeze(c.x, [given] if isinstance(given, int) else given)


@converts("squeeze", view=True)
def squeeze(c: Call) -> Value:
    x = c.x
    return c.g.squeeze(x, [i for i in c.axes(x) if x.shape[i] == 1])


@converts("broadcast_to", view=True)
def broadcast_to(c: Call) -> Value:
    wanted = [1 if d == -1 else d for d in c.attributes["shape"]]  # Expand keeps an extent where 1 is wanted
    return c.g.node("Expand", c.x, c.dims.shape(wanted))


@converts("slice", view=True)
def slice_(c: Call) -> Value:
    return sliced(c, c.x)


def sliced(c: Call, x: Value) -> Value:
    """x by the call's starts, stops and steps, which are those of slice.indices()."""
    ranges = []  # axis, start, stop, step, where the axis is not whole
    steps = c.attributes["steps"]
    for axis, (start, stop) in enumerate(zip(c.attributes["starts"], c.attributes["stops"], strict=True)):
        step = steps[axis] if axis < len(steps) else 1
        if (start, step) != (0, 1) or (stop.text if isinstance(stop, Dim) else stop) != x.shape[axis]:
            ranges.append((axis, start, stop, step))
    if not ranges:
        return c.g.node("Identity", x)
    axes, starts, stops, steps = zip(*ranges, strict=True)
    backwards = [step < 0 for step in steps]
    ends = c.dims.shape([_BEFORE_THE_FIRST if stop == -1 and back else stop for stop, back in zip(stops, backwards, strict=True)])
    if any(isinstance(stop, Dim) and back for stop, back in zip(stops, backwards, strict=True)):
        below = c.g.node("Less", ends, c.g.constant(0, "int64"), dtype="bool")
        ends = c.g.where(below, c.g.constant(_BEFORE_THE_FIRST, "int64"), ends)
    return c.g.node("Slice", x, c.dims.shape(starts), ends, c.g.ints(axes), c.g.ints(steps))


@converts("flip", made_of="Slice", view=True)
def flip(c: Call) -> Value:
    axes = c.axes(c.x)
    if not axes:
        return c.g.node("Identity", c.x)
    n = len(axes)
    return c.g.node("Slice", c.x, *(c.g.ints(v) for v in ([-1] * n, [_BEFORE_THE_FIRST] * n, axes, [-1] * n)))


def positions_of(g: Graph, x: Value) -> Value:
    """0, 1, 2, ... in the shape of x, row-major."""
    count = g.node("Range", g.constant(0, "int64"), g.size_of(x), g.constant(1, "int64"))
    return Value(g.reshape(count, g.shape_of(x)).name, "int64", x.shape)


def scattered(g: Graph, whole: Value, positions: Value, part: Value) -> Value:
    """whole with the elements of part at positions, which count whole's elements."""
    flat = g.node("ScatterElements", g.flat(whole), g.flat(positions), g.flat(part), axis=0)
    return g.reshape(flat, g.shape_of(whole), result=whole.shape)


@converts("unslice", made_of="ConstantOfShape, ScatterElements")
def unslice(c: Call) -> Value:
    zeros = c.g.node("ConstantOfShape", c.dims.shape(c.attributes["shape"]), dtype=c.dtype, shape=c.shape, value=c.g.zero(c.dtype))
    return scattered(c.g, zeros, sliced(c, positions_of(c.g, zeros)), c.x)


# ---- copies and joins -------------------------------------------------------------------------------------------------


@converts("contiguous", view=True)
def contiguous(c: Call) -> Value:
    return c.g.node("Identity", c.x)


@converts("astype")
def astype(c: Call) -> Value:
    return c.g.cast(c.x, c.dtype) if c.x.dtype != c.dtype else c.g.node("Identity", c.x)


@converts("copy_to", made_of="Cast, Expand")
def copy_to(c: Call) -> Value:
    return c.g.node("Expand", c.g.cast(c.x, c.dtype), c.dims.shape(c.attributes["shape"]))


@converts("pad")
def pad(c: Call) -> Value:
    widths = c.dims.shape([*c.attributes["before"], *c.attributes["after"]])
    return c.g.node("Pad", c.x, widths, c.number(c.attributes["value"], c.x.dtype))


@converts("concat", "join")
def concat(c: Call) -> Value:
    parts = c.promoted()
    axis = c.constant("axis")
    if axis is None:
        parts, axis = [c.g.flat(x) for x in parts], 0
    return c.g.node("Concat", *parts, axis=axis)


@converts("stack", made_of="Unsqueeze, Concat")
def stack(c: Call) -> Value:
    axis = c.constant("axis") % len(c.shape)
    return c.g.node("Concat", *(c.g.unsqueeze(x, [axis]) for x in c.promoted()), axis=axis)
