"""Functions of the array API standard with as many results as their arguments say: operators have a fixed number."""

from collections.abc import Sequence

from kiln import _core
from kiln._core import Tensor, asarray

_op = _core.operators
__all__ = ["broadcast_arrays", "broadcast_shapes", "meshgrid", "nonzero", "unravel_index", "unstack"]


def unstack(x: Tensor, axis: int = 0) -> tuple[Tensor, ...]:
    """The slices of x across axis, without that axis: views, as many as it is long."""
    x = asarray(x)
    if not -x.ndim <= axis < x.ndim:
        raise IndexError(f"unstack: axis {axis} is out of bounds for a tensor of shape {x.shape}")
    front = _op["moveaxis"](x, axis, 0)
    return tuple(front[i] for i in range(front.shape[0]))


def broadcast_shapes(*shapes: Sequence[int]) -> tuple[int, ...]:
    """The shape that tensors of these shapes broadcast to."""
    result: list[int] = []
    for shape in shapes:
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        result = [1] * (len(shape) - len(result)) + result
        for i, extent in enumerate(shape, len(result) - len(shape)):
            if extent not in (1, result[i]) and result[i] != 1:
                raise ValueError(f"shapes {' and '.join(str(tuple(s)) for s in shapes)} do not broadcast")
            result[i] = extent if result[i] == 1 else result[i]
    return tuple(result)


def broadcast_arrays(*arrays: Tensor) -> tuple[Tensor, ...]:
    """The tensors as views of the one shape that they broadcast to."""
    tensors = [asarray(a) for a in arrays]
    shape = broadcast_shapes(*[t.shape for t in tensors])
    return tuple(_op["broadcast_to"](t, shape) for t in tensors)


def meshgrid(*arrays: Tensor, indexing: str = "xy") -> tuple[Tensor, ...]:
    """Coordinates of a grid: views of each one-dimensional tensor along an axis of its own (with "xy" the first two change places)."""
    tensors = [asarray(a) for a in arrays]
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: indexing is 'xy' or 'ij', not {indexing!r}")
    if any(t.ndim > 1 for t in tensors):
        raise ValueError(f"meshgrid: tensors have one dimension, not shapes {[t.shape for t in tensors]}")
    n = len(tensors)
    axes = list(range(n))
    if indexing == "xy" and n > 1:
        axes[:2] = [1, 0]
    shapes = [tuple(-1 if axis == k else 1 for k in range(n)) for axis in axes]
    return broadcast_arrays(*[_op["reshape"](t, s) for t, s in zip(tensors, shapes, strict=True)])


def nonzero(x: Tensor) -> tuple[Tensor, ...]:
    """The indices of the elements of x that are not zero: for each dimension a tensor of them, in row-major order."""
    x = asarray(x)
    if x.ndim == 0:
        raise ValueError("nonzero of a tensor of shape () has no indices; use kiln.flatnonzero(x)")
    return unstack(_op["argwhere"](x), 1)


def unravel_index(indices: Tensor, shape: Sequence[int]) -> tuple[Tensor, ...]:
    """Positions in the flattened tensor of a shape as indices, one tensor for each dimension. Out of bounds is an IndexError."""
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    size = 1
    for extent in shape:
        size *= extent
    left = _op["bounded_index"](indices, size)
    parts = []
    for extent in reversed(shape):
        parts.append(left % extent)
        left = left // extent
    return tuple(reversed(parts))
