"""Elements at positions that are data, running sums, orders: what ONNX can say of them, and why it cannot say the rest."""

from kiln.onnx.call import Call
from kiln.onnx.graph import Value
from kiln.onnx.pointwise import carrier
from kiln.onnx.table import converts, refuses

_TO_THE_END = 2**63 - 1


# ---- taken at indices -------------------------------------------------------------------------------------------------


def _indices(c: Call) -> Value:
    return c.g.cast(c.tensor(1), "int64")


@converts("take")
def take(c: Call) -> Value:
    axis, x = c.constant("axis"), c.x
    if axis is None:
        return c.g.node("Gather", c.g.flat(x), _indices(c), axis=0)
    return c.g.node("Gather", x, _indices(c), axis=axis % x.rank)


@converts("gather_rows", made_of="Gather")
def gather_rows(c: Call) -> Value:
    return c.g.node("Gather", c.x, _indices(c), axis=c.constant("axis") % c.x.rank)


@converts("gather_along", made_of="GatherElements")
def gather_along(c: Call) -> Value:
    return c.g.node("GatherElements", c.x, _indices(c), axis=c.constant("axis") % c.x.rank)


@converts("take_along_axis")
def take_along_axis(c: Call) -> Value:
    x, at = c.x, _indices(c)
    axis = c.constant("axis") % x.rank
    ones = [1] * x.rank
    at_extents, x_extents = c.g.shape_of(at), c.g.shape_of(x)
    own = c.g.constant([i == axis for i in range(x.rank)], "bool")
    single = c.g.ints(ones)
    at = c.g.node("Expand", at, c.g.where(own, single, x_extents))
    x = c.g.node("Expand", x, c.g.where(own, single, at_extents))
    return c.g.node("GatherElements", x, at, axis=axis)


def _bounded(c: Call, at: Value, extent) -> Value:
    at = c.g.cast(at, "int64")
    return c.g.where(c.g.node("Less", at, c.g.constant(0, "int64"), dtype="bool"), c.g.node("Add", at, c.number(extent, "int64")), at)


@converts("bounded_index", made_of="Less, Add, Where")
def bounded_index(c: Call) -> Value:
    return _bounded(c, c.x, c.attributes["extent"])


@converts("ravel_multi_index", made_of="Less, Add, Where, Mul")
def ravel_multi_index(c: Call) -> Value:
    shape = c.attributes["shape"]
    total = c.g.constant(0, "int64")
    for i, extent in enumerate(shape):
        scaled = c.g.node("Mul", total, c.number(extent, "int64"))
        total = c.g.node("Add", scaled, _bounded(c, c.tensor(i), extent))
    return total


refuses(
    *("scatter_rows", "scatter_along", "index_add", "index_copy", "add_along_axis", "put_along_axis"),
    reason="ONNX leaves open in which order values meet where an index comes twice",
    remedy="write it with kiln.where, or with a product of one-hot rows",
)
refuses(
    *("flatnonzero", "argwhere", "masked_select", "unique_all", "unique_counts", "unique_inverse", "unique_values"),
    reason="its shape follows from data, and shapes of exported programs follow from those of their inputs",
    remedy="do it outside of the exported function",
)
refuses(
    "repeat",
    reason="where its repeats are a tensor its shape follows from data",
    remedy="kiln.broadcast_to and kiln.reshape where they are a number, else do it outside of the exported function",
)


# ---- in order ---------------------------------------------------------------------------------------------------------


@converts("topk_positions", made_of="TopK")
def topk_positions(c: Call) -> Value:
    return topk(c)[1]


@converts("topk", made_of="TopK")
def topk(c: Call) -> list[Value]:
    x = c.x
    wide = c.g.cast(x, carrier(x.dtype))
    axis, largest = c.constant("axis") % x.rank, int(c.constant("largest"))
    count = c.g.ints([c.constant("k")])
    values, positions = c.g.node_of_many("TopK", wide, count, dtypes=[wide.dtype, "int64"], axis=axis, largest=largest, sorted=1)
    return [c.g.cast(values, x.dtype), positions]


refuses(*("sort", "argsort"), reason="ONNX leaves open where NaN is sorted to", remedy="kiln.topk, if there is no NaN")
refuses(*("search", "searchsorted"), reason="ONNX has no search in what is sorted", remedy="kiln.sum(sorted < x[..., None], axis=-1)")


# ---- along an axis ----------------------------------------------------------------------------------------------------


@converts("cumulative_sum")
def cumulative_sum(c: Call) -> Value:
    inside = "int64" if c.dtype == "uint64" else carrier(c.dtype)  # runtimes add up signed integers
    rank = c.x.rank
    axis = (c.constant("axis") or 0) % rank
    y = c.g.node("CumSum", c.g.cast(c.x, inside), c.g.constant(axis, "int64"))
    if c.constant("include_initial"):
        y = c.g.node("Pad", y, c.g.ints([int(i == axis) for i in range(2 * rank)]), c.g.constant(0, inside))
    return c.g.cast(y, c.dtype)


refuses(
    *("scan_along", "cumulative_prod", "cumulative_max", "cumulative_min", "linear_recurrence"),
    reason="ONNX has running sums and no others",
    remedy="for products of positive numbers kiln.exp(kiln.cumulative_sum(kiln.log(x), axis)); else keep it out of the exported function",
)


def _part(c: Call, x: Value, axis: int, start: int, stop: int) -> Value:
    return c.g.node("Slice", x, *(c.g.ints([v]) for v in (start, stop, axis)))


@converts("diff", made_of="Slice, Sub")
def diff(c: Call) -> Value:
    x, before, after = c.promoted()
    axis = c.constant("axis") % c.x.rank
    dtype = x.dtype
    parts = [p for p in (before, x, after) if p is not None]
    joined = c.g.node("Concat", *parts, axis=axis) if len(parts) > 1 else x
    if c.constant("n") == 0:
        return c.g.node("Identity", joined)
    y = c.g.cast(joined, carrier(dtype))
    for _ in range(c.constant("n")):
        y = c.g.node("Sub", _part(c, y, axis, 1, _TO_THE_END), _part(c, y, axis, 0, -1))
        if dtype == "bool":
            y = c.g.node("Abs", y)
    return c.g.cast(y, dtype)


@converts("roll", made_of="Slice, Concat")
def roll(c: Call) -> Value:
    x = y = c.x
    shifts, axes = c.constant("shift"), c.constant("axis")
    shifts = [shifts] if isinstance(shifts, int) else list(shifts)
    extents = x.shape
    if axes is None:
        y, axes, extents = c.g.flat(x), 0, (_size(x.shape),)
    axes = [axes] if isinstance(axes, int) else list(axes)
    for shift, axis in zip(shifts * (len(axes) if len(shifts) == 1 else 1), axes, strict=True):
        axis %= len(extents)
        n = extents[axis]
        if not isinstance(n, int):
            c.refuse("it moves along a symbolic extent", "make that extent a constant in the specification of the input")
        if n == 0 or shift % n == 0:
            continue
        at = n - shift % n
        y = c.g.node("Concat", _part(c, y, axis, at, n), _part(c, y, axis, 0, at), axis=axis)
    return c.g.reshape(y, c.g.shape_of(x)) if c.constant("axis") is None else c.g.node("Identity", y)


def _size(shape) -> int | str:
    size = 1
    for extent in shape:
        if not isinstance(extent, int):
            return extent
        size *= extent
    return size


@converts("tile")
def tile(c: Call) -> Value:
    x, counts = c.x, c.attributes["repetitions"]
    counts = [counts] if isinstance(counts, int) else list(counts)
    rank = max(x.rank, len(counts))
    wide = c.g.unsqueeze(x, range(rank - x.rank)) if rank > x.rank else x
    if rank == 0:
        return c.g.node("Identity", x)
    return c.g.node("Tile", wide, c.dims.shape([1] * (rank - len(counts)) + counts))


@converts("moveaxis", view=True)
def moveaxis(c: Call) -> Value:
    rank = c.x.rank
    source, places = (
        [axis % rank for axis in ([given] if isinstance(given, int) else given)]
        for given in (c.constant("source"), c.constant("destination"))
    )
    rest = iter([axis for axis in range(rank) if axis not in source])
    return c.g.transpose(c.x, [source[places.index(i)] if i in places else next(rest) for i in range(rank)])


@converts("tril", "triu")
def triangle(c: Call) -> Value:
    x = c.x
    wide = x if x.dtype.startswith("float") else c.g.cast(x, "int64")
    kept = c.g.node("Trilu", wide, c.number(c.attributes["k"], "int64"), upper=int(c.op.__name__ == "triu"))
    return c.g.cast(kept, x.dtype)


refuses(
    *("signbit", "copysign", "nextafter"), reason="ONNX does not look at the bits of a float", remedy="kiln.where(x < 0, ...) for its sign"
)
