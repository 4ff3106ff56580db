"""Inputs and results of a function that is called many times: copied, restored, and compared by their bits."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from kiln import _core, _tree
from kiln._core import Tensor


class Inputs:
    """A function's arguments, copied, so that the caller's stay as they are; and the state that is restored before a call.

    Restored are: tensors and arrays among the arguments, Kiln's random numbers, and what has state_dict() and load_state_dict()
    (modules with their gradients, optimisers) among the arguments, in the function's closure, or as the function itself or its `self`.
    What else a function changes (globals, lists of its own) is not.
    """

    def __init__(self, f: Callable, args: tuple) -> None:
        self._originals = args
        self._random = _core.random_state()
        self._held = [_Held(holder) for holder in _holders(f, args)]
        self.args = _copied(args)
        self._bits = self.bits()
        self.mutated = False

    def bits(self) -> list:
        """Of everything a call could have changed."""
        own = _tree.flatten(self.args)[0]
        return [*map(bits_of, own), *map(bits_of, _gradients(own)), *(bits for held in self._held for bits in held.bits())]

    def look(self) -> None:
        """After a call: did it change its inputs? From then on they are restored before each call."""
        self.mutated = self.mutated or self.bits() != self._bits

    def restore(self) -> None:
        """Everything as it was before the first call."""
        _core.set_random_state(self._random)
        if not self.mutated:
            return
        self.args = _copied(self._originals)
        for held in self._held:
            held.restore()


class _Held:
    """A module or optimiser, and what it held at first."""

    def __init__(self, holder: Any) -> None:
        self._holder = holder
        self._state = _copied(holder.state_dict())
        self._parameters = list(holder.parameters()) if callable(getattr(holder, "parameters", None)) else []
        self._gradients = _copied([p.grad for p in self._parameters])

    def bits(self) -> list:
        return [bits_of(leaf) for leaf in _tree.flatten(self._holder.state_dict())[0] + _gradients(self._parameters)]

    def restore(self) -> None:
        self._holder.load_state_dict(_copied(self._state))
        for parameter, gradient in zip(self._parameters, _copied(self._gradients), strict=True):
            parameter.grad = gradient


def _gradients(leaves: list) -> list:
    return [leaf.grad for leaf in leaves if isinstance(leaf, Tensor)]


def _holders(f: Callable, args: tuple) -> Iterator[Any]:
    seen = set()
    cells = [cell.cell_contents for cell in getattr(f, "__closure__", None) or () if not _is_empty(cell)]
    for x in [f, getattr(f, "__self__", None), *cells, *_tree.flatten(args)[0]]:
        has = callable(getattr(x, "state_dict", None)) and callable(getattr(x, "load_state_dict", None))
        if has and not inspect.isclass(x) and id(x) not in seen:
            seen.add(id(x))
            yield x


def _is_empty(cell: Any) -> bool:
    try:
        return cell.cell_contents is None
    except ValueError:
        return True


def _copied(tree: Any) -> Any:
    """The tree with tensors and arrays copied; one that is there twice stays one. Views lose their common storage."""
    copies: dict[int, Any] = {}

    def copy(leaf: Any) -> Any:
        if id(leaf) not in copies:
            if isinstance(leaf, Tensor):
                fresh = _core.asarray(leaf.detach(), copy=True)
                copies[id(leaf)] = fresh.requires_grad_() if leaf.requires_grad else fresh
            else:
                copies[id(leaf)] = leaf.copy() if isinstance(leaf, np.ndarray) else leaf
        return copies[id(leaf)]

    return _tree.map_leaves(copy, tree)


def bits_of(leaf: Any) -> tuple:
    """What two values have in common exactly if they are the same: dtype, shape and bytes; for what is no array, its type and repr."""
    if isinstance(leaf, Tensor):
        return leaf.dtype.name, tuple(leaf.shape), leaf.detach().numpy().tobytes()
    if isinstance(leaf, np.ndarray):
        return leaf.dtype.str, leaf.shape, leaf.tobytes()
    return type(leaf).__name__, (), repr(leaf).encode()


def arrays_of(result: Any) -> list[np.ndarray]:
    """The arrays and numbers of a result, as NumPy arrays of their own."""
    leaves = [leaf.detach().numpy() if isinstance(leaf, Tensor) else leaf for leaf in _tree.flatten(result)[0]]
    return [np.array(leaf) for leaf in leaves if isinstance(leaf, (np.ndarray, np.generic, int, float, bool))]


def differing(a: list[np.ndarray], b: list[np.ndarray]) -> tuple[bool, float | None, float | None]:
    """Are all bits equal; percent of elements whose bits differ; largest |a - b|. The last two are None where shapes or dtypes differ."""
    if [(x.shape, x.dtype) for x in a] != [(y.shape, y.dtype) for y in b]:
        return False, None, None
    total = sum(x.size for x in a)
    count = sum(int((_unsigned(x) != _unsigned(y)).sum()) for x, y in zip(a, b, strict=True))
    return count == 0, 100 * count / total if total else 0.0, largest_difference(a, b)


def largest_difference(a: list[np.ndarray], b: list[np.ndarray]) -> float | None:
    """max |a - b| over all elements, NaN where only one of both is NaN; None where shapes differ."""
    if [x.shape for x in a] != [y.shape for y in b]:
        return None
    largest = 0.0
    for x, y in zip(a, b, strict=True):
        u, v = x.astype(np.float64), y.astype(np.float64)
        if x.size == 0:
            continue
        with np.errstate(invalid="ignore"):
            distance = np.where((u == v) | (np.isnan(u) & np.isnan(v)), 0.0, np.abs(u - v))
        largest = float(np.maximum(largest, distance.max()))
    return largest


def _unsigned(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x).reshape(-1).view(f"u{x.dtype.itemsize}")
