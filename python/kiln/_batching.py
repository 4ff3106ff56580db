"""Operators on a batch: for each of them, the call that does for all samples at once what the operator does for one.

A batched tensor has the batch as its first axis. Most rules follow from how an operator is computed: an elementwise one takes its operands
with the axes of smaller ones filled up; a reduction, scan, sort or softmax has its axes moved up by one; views likewise; windows and
contractions take the batch into an axis that they have already. What has no rule runs once for each sample, and the results are stacked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kiln import _core
from kiln._core import Tensor

ops = _core.operators


class Operators:
    """How the calls for the batch are made: here, at once. A recording of a captured function makes them, and notes how."""

    def __call__(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return ops[name](*args, **kwargs)

    def detach(self, x: Tensor) -> Tensor:
        return x.detach()

    def constant(self, value: Any) -> Tensor:
        return _core.asarray(value)

    def write(self, x: Tensor, value: Any) -> None:
        x[...] = value


@dataclass
class Value:
    """A tensor of the transformed function: of all samples, or one for all of them."""

    tensor: Tensor
    batched: bool

    @property
    def ndim(self) -> int:
        """Of one sample's."""
        return self.tensor.ndim - self.batched

    @property
    def shape(self) -> tuple[int, ...]:
        return self.tensor.shape[self.batched :]


@dataclass
class Call:
    """An operator's call on samples. `operands`: Values, numbers, or None where an optional one is absent."""

    op: Any
    operands: list[Any]
    attrs: list[Any]
    batch: int
    views: bool  # must what is a view of a sample be a view of the batch? (Something is written in place.)
    do: Operators

    def run(self, operands: list[Any], attrs: list[Any]) -> Any:
        """The operator itself, on tensors."""
        arguments: dict[str, Any] = {}
        operands, attrs = list(operands), list(attrs)
        for p in self.op.parameters:
            if p["kind"] == "tensors":
                arguments[p["name"]], operands = operands, []
            elif p["kind"] in ("tensor", "optional_tensor"):
                arguments[p["name"]] = operands.pop(0)
            else:
                arguments[p["name"]] = attrs.pop(0)
        return self.do(self.op.__name__, **arguments)

    def tensors(self) -> list[Any]:
        return [o.tensor if isinstance(o, Value) else o for o in self.operands]

    def batched(self, i: int) -> Tensor:
        """An operand of all samples, also if it is one for all."""
        value = self.operands[i]
        if value.batched:
            return value.tensor
        return self.do("broadcast_to", value.tensor, (self.batch, *value.shape))

    def all_batched(self) -> list[Tensor]:
        return [self.batched(i) for i in range(len(self.operands))]

    def only_first_is_batched(self) -> bool:
        return self.operands[0].batched and not any(isinstance(o, Value) and o.batched for o in self.operands[1:])


RULES: dict[str, Callable[[Call], Any]] = {}


def rule(*names: str) -> Callable:
    def add(function: Callable) -> Callable:
        for name in names:
            RULES[name] = function
        return function

    return add


def on_batch(call: Call) -> Any:
    """The results of a call for all samples: a tensor, or a tuple of them. At least one operand is batched."""
    found = RULES.get(call.op.__name__, elementwise if call.op.is_elementwise else None)
    result = NotImplemented if found is None else found(call)
    return one_by_one(call) if result is NotImplemented else result


def one_by_one(call: Call) -> Any:
    if call.batch == 0:
        raise ValueError(f"vmap: {call.op.__name__} runs sample by sample, and there is none: the mapped axis has extent 0")

    def sample(o: Any, i: int) -> Any:
        if not isinstance(o, Value) or not o.batched:
            return o.tensor if isinstance(o, Value) else o
        return call.do("squeeze", call.do("slice", o.tensor, (i,), (i + 1,)), 0)

    results = [call.run([sample(o, i) for o in call.operands], call.attrs) for i in range(call.batch)]
    if isinstance(results[0], Tensor):
        return call.do("stack", results)
    return tuple(call.do("stack", parts) for parts in zip(*results, strict=True))


def same_rank(call: Call, rank: int) -> list[Any]:
    """The operands with axes of extent 1 before those of samples of a smaller rank."""
    given = []
    for o in call.operands:
        if isinstance(o, Value) and o.batched and o.ndim < rank:
            given.append(_reshape(call, o.tensor, (call.batch, *[1] * (rank - o.ndim), *o.shape)))
        else:
            given.append(o.tensor if isinstance(o, Value) else o)
    return given


def _reshape(call: Call, x: Tensor, shape: tuple[int, ...]) -> Tensor:
    return call.do("reshape", x, shape)


def axis_in_batch(axis: int, rank: int) -> int:
    """A sample's axis, counted from the front or the back, as the batch's."""
    return axis % rank + 1 if rank else axis


@rule("astype", "clip", "complex", "gelu", "leaky_relu", "nextafter")  # whose bodies also look at attributes or dtypes
def elementwise(call: Call) -> Any:
    rank = max(o.ndim for o in call.operands if isinstance(o, Value))
    return call.run(same_rank(call, rank), call.attrs)


# ---- what has axes --------------------------------------------------------------------------------------------------------


@rule("sum", "prod", "max", "min", "all", "any", "logsumexp", "var")
def reduction(call: Call) -> Any:
    x, (axis, *rest) = call.operands[0], call.attrs
    if axis is None:
        axis = tuple(range(x.ndim))
    axis = (axis,) if isinstance(axis, int) else tuple(axis)
    return call.run([x.tensor], [tuple(axis_in_batch(a, x.ndim) for a in axis), *rest])


@rule("softmax", "log_softmax", "scan_along", "argsort", "topk_positions", "linear_recurrence", "gather_along", "scatter_along")
def along_axis(call: Call) -> Any:
    place = next(i for i, p in enumerate(p for p in call.op.parameters if "tensor" not in p["kind"]) if p["name"] == "axis")
    axis, rank = call.attrs[place], call.operands[0].ndim
    if axis is None or rank == 0 or any(isinstance(o, Value) and o.ndim != rank for o in call.operands):
        return NotImplemented
    attrs = list(call.attrs)
    attrs[place] = axis_in_batch(axis, rank)
    return call.run(call.all_batched(), attrs)


@rule("tril", "triu")
def triangle(call: Call) -> Any:
    return call.run(call.tensors(), call.attrs)


@rule("bounded_index")
def bounded_index(call: Call) -> Any:
    return call.run(call.tensors(), call.attrs)


@rule("copy_to")
def copy_to(call: Call) -> Any:
    dtype, shape = call.attrs
    return call.run(same_rank(call, len(shape)), [dtype, (call.batch, *shape)])


@rule("join")
def join(call: Call) -> Any:
    return call.run(call.all_batched(), [axis_in_batch(call.attrs[0], call.operands[0].ndim)])


@rule("pad")
def pad(call: Call) -> Any:
    before, after, value = call.attrs
    return call.run(call.tensors(), [(0, *before), (0, *after), value])


# ---- views ----------------------------------------------------------------------------------------------------------------


@rule("view")
def view(call: Call) -> Any:
    shape = (call.batch, *call.attrs[0])
    return call.run(call.tensors(), [shape]) if call.views else _reshape(call, call.operands[0].tensor, shape)


@rule("broadcast_to")
def broadcast_to(call: Call) -> Any:
    shape = call.attrs[0]
    return call.run(same_rank(call, len(shape)), [(call.batch, *shape)])


@rule("expand_dims")
def expand_dims(call: Call) -> Any:
    axes = call.attrs[0]
    rank = call.operands[0].ndim + len(axes)
    return call.run(call.tensors(), [tuple(axis_in_batch(a, rank) for a in axes)])


@rule("flip", "squeeze")
def some_axes(call: Call) -> Any:
    x, axes = call.operands[0], call.attrs[0]
    if axes is None:
        axes = [i for i, n in enumerate(x.shape) if call.op.__name__ == "flip" or n == 1]
    axes = (axes,) if isinstance(axes, int) else axes
    return call.run([x.tensor], [tuple(axis_in_batch(a, x.ndim) for a in axes)])


@rule("matrix_transpose")
def matrix_transpose(call: Call) -> Any:
    return call.run(call.tensors(), call.attrs)


@rule("moveaxis", "swapaxes")
def move(call: Call) -> Any:
    rank = call.operands[0].ndim
    moved = [axis_in_batch(a, rank) if isinstance(a, int) else tuple(axis_in_batch(n, rank) for n in a) for a in call.attrs]
    return call.run(call.tensors(), moved)


@rule("permute_dims")
def permute_dims(call: Call) -> Any:
    rank = call.operands[0].ndim
    return call.run(call.tensors(), [(0, *[axis_in_batch(a, rank) for a in call.attrs[0]])])


@rule("slice")
def slice_(call: Call) -> Any:
    starts, stops, steps = call.attrs
    return call.run(call.tensors(), [(0, *starts), (call.batch, *stops), (1, *steps) if steps else ()])


@rule("unslice")
def unslice(call: Call) -> Any:
    shape, starts, stops, steps = call.attrs
    return call.run(call.tensors(), [(call.batch, *shape), (0, *starts), (call.batch, *stops), (1, *steps) if steps else ()])


# ---- gathers --------------------------------------------------------------------------------------------------------------


def _row_numbers(call: Call, extent: int) -> Tensor:
    """Indices into an axis of each sample as indices into all samples' rows, one sample's after the other's."""
    indices = call.operands[1]
    within = call.do("where", call.do("less", indices.tensor, 0), call.do("add", indices.tensor, extent), indices.tensor)
    firsts = _reshape(call, call.do("arange", 0, call.batch * extent, extent), (call.batch, *[1] * indices.ndim))
    return call.do("add", within, firsts)


def _rows(call: Call, x: Tensor, axis: int) -> Tensor:
    """[batch, ...] as [batch * extent of the axis, the others]."""
    first = call.do("moveaxis", x, (axis,), (1,))
    return _reshape(call, first, (first.shape[0] * first.shape[1], *first.shape[2:]))


@rule("gather_rows")
def gather_rows(call: Call) -> Any:
    x, indices = call.operands
    axis = call.attrs[0] % x.ndim
    if not indices.batched:
        return call.run(call.tensors(), [axis + 1])
    if not x.batched:
        return call.do("moveaxis", call.run(call.tensors(), [axis]), (axis,), (0,))
    found = call.do("gather_rows", _rows(call, x.tensor, axis + 1), _row_numbers(call, x.shape[axis]), 0)  # [batch, indices, others]
    places = tuple(range(1, indices.ndim + 1))
    return call.do("moveaxis", found, places, tuple(p + axis for p in places))


@rule("scatter_rows")
def scatter_rows(call: Call) -> Any:
    x, indices, _ = call.operands
    axis, how = call.attrs[0] % x.ndim, call.attrs[1]
    whole, values = call.batched(0), call.batched(2)
    if not indices.batched:
        return call.run([whole, indices.tensor, values], [axis + 1, how])
    places = tuple(range(1, indices.ndim + 1))
    values = call.do("moveaxis", values, tuple(p + axis for p in places), places)
    rows = _rows(call, whole, axis + 1)
    made = call.do("scatter_rows", rows, _row_numbers(call, x.shape[axis]), values, 0, how)
    others = tuple(n for i, n in enumerate(x.shape) if i != axis)
    return call.do("moveaxis", _reshape(call, made, (call.batch, x.shape[axis], *others)), (1,), (axis + 1,))


# ---- windows and contractions, which have a batch of their own ------------------------------------------------------------


def _fold(call: Call, x: Tensor) -> Tensor:
    return _reshape(call, x, (x.shape[0] * x.shape[1], *x.shape[2:]))


def _folded(call: Call, operands: list[Any], attrs: list[Any], own: int) -> Any:
    """The call with the batch in the samples' first axis, of that extent."""

    def unfold(y: Tensor) -> Tensor:
        return _reshape(call, y, (call.batch, own, *y.shape[1:]))

    result = call.run(operands, attrs)
    return unfold(result) if isinstance(result, Tensor) else tuple(unfold(y) for y in result)


@rule("avg_pool2d", "max_pool2d", "max_pool2d_tiles", "avg_pool2d_backward", "max_pool2d_backward")
def windows(call: Call) -> Any:
    if any(o.ndim != 4 for o in call.operands):
        return NotImplemented
    own = call.operands[0].shape[0]
    sized = "backward" in call.op.__name__
    attrs = _with_batch(call, call.attrs) if sized else call.attrs
    return _folded(call, [_fold(call, x) for x in call.all_batched()], attrs, own)


def _with_batch(call: Call, attrs: list[Any]) -> list[Any]:
    """Attributes of which the first is the shape of the images."""
    size = attrs[0]
    return [(call.batch * size[0], *size[1:]), *attrs[1:]] if len(size) == 4 else attrs


@rule("conv2d")
def conv2d(call: Call) -> Any:
    if not call.only_first_is_batched() or call.operands[0].ndim != 4:
        return NotImplemented
    x = call.operands[0]
    return _folded(call, [_fold(call, x.tensor), *call.tensors()[1:]], call.attrs, x.shape[0])


@rule("conv2d_data")
def conv2d_data(call: Call) -> Any:
    if not call.only_first_is_batched() or call.operands[0].ndim != 4:
        return NotImplemented
    dy = call.operands[0]
    return _folded(call, [_fold(call, dy.tensor), *call.tensors()[1:]], _with_batch(call, call.attrs), dy.shape[0])


@rule("linear")
def linear(call: Call) -> Any:
    x, weight, bias = call.operands
    if not weight.batched and not (bias is not None and bias.batched):
        return call.run(call.tensors(), call.attrs)
    if x.ndim == 0 or weight.ndim != 2:
        return NotImplemented
    dtypes = [o.tensor.dtype for o in call.operands if o is not None]
    if any(d is not dtypes[0] for d in dtypes):
        return NotImplemented
    rows = _reshape(call, call.batched(0), (call.batch, _product(x.shape[:-1]), x.shape[-1]))
    y = call.do("matmul_batched", rows, call.batched(1), False, True)
    y = _reshape(call, y, (call.batch, *x.shape[:-1], weight.shape[0]))
    if bias is None:
        return y
    b = bias.tensor if not bias.batched else _reshape(call, bias.tensor, (call.batch, *[1] * (x.ndim - 1), bias.shape[0]))
    return call.do("add", y, b)


@rule("matmul_batched")
def matmul_batched(call: Call) -> Any:
    a, b = call.operands
    if a.ndim == 2 and b.ndim == 2 and not b.batched and not call.attrs[0]:  # rows of all samples, one matrix
        return _folded(call, [_fold(call, a.tensor), b.tensor], call.attrs, a.shape[0])
    return call.run(call.all_batched(), call.attrs)


@rule("nll_loss")
def nll_loss(call: Call) -> Any:
    x, target = call.operands
    reduction_ = call.attrs[0]
    if x.ndim != 2 or target.ndim != 1 or x.shape[0] == 0:
        return NotImplemented
    losses = call.do("nll_loss", _fold(call, call.batched(0)), _fold(call, call.batched(1)), "none")
    losses = _reshape(call, losses, (call.batch, x.shape[0]))
    return losses if reduction_ == "none" else call.do("sum" if reduction_ == "sum" else "mean", losses, 1)


def _product(extents: tuple[int, ...]) -> int:
    product = 1
    for n in extents:
        product *= n
    return product
