"""Comparing tensors in tests."""

from typing import Any

import numpy as np

from kiln import _tree
from kiln._core import Tensor

_TOLERANCE = {"float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7)}  # rtol, atol
_TOLERANCE |= {"complex64": _TOLERANCE["float32"], "complex128": _TOLERANCE["float64"]}


def assert_close(actual: Any, expected: Any, rtol: float | None = None, atol: float | None = None) -> None:
    """Raises AssertionError unless |actual - expected| <= atol + rtol * |expected| everywhere, with equal shapes and dtypes.

    Arguments are tensors, arrays, numbers, or equal structures of them; NaN equals NaN. Without tolerances, those of the dtype.
    """
    for place, a, b in _pairs(actual, expected):
        _check_alike(place, a, b)
        usual = _TOLERANCE.get(a.dtype.name, (0.0, 0.0))
        np.testing.assert_allclose(
            a, b, rtol=usual[0] if rtol is None else rtol, atol=usual[1] if atol is None else atol, err_msg=place, equal_nan=True
        )


def assert_same_bits(actual: Any, expected: Any, what: str = "") -> None:
    """Raises AssertionError unless both are the same bit for bit: -0.0 is not 0.0, and NaN is the same NaN. `what` begins its message."""
    for place, a, b in _pairs(actual, expected):
        place = ", ".join(filter(None, (what, place)))
        _check_alike(place, a, b)
        different = (_bits(a) != _bits(b)).any(-1)
        if different.any():
            at = tuple(int(i) for i in np.argwhere(different)[0])
            count = int(different.sum())
            raise AssertionError(
                f"{place or 'the values'}: {count} of {a.size} elements differ in their bits; the first at {at}: {a[at]!r} and {b[at]!r}"
            )


def _bits(a: np.ndarray) -> np.ndarray:
    """Each element's bits along a last axis: one number, or of a complex element two."""
    parts = 2 if a.dtype.kind == "c" else 1
    return np.ascontiguousarray(a).view(f"u{a.dtype.itemsize // parts}").reshape(*a.shape, parts)


def _array(x: Any) -> np.ndarray:
    return x.detach().numpy() if isinstance(x, Tensor) else np.asarray(x)


def _pairs(actual: Any, expected: Any):
    ours, _ = _tree.flatten(actual)
    theirs, _ = _tree.flatten(expected)
    if len(ours) != len(theirs):
        raise AssertionError(f"the structures differ: {len(ours)} and {len(theirs)} values")
    for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        yield f"value {i}" if len(ours) > 1 else "", _array(a), _array(b)


def _check_alike(place: str, a: np.ndarray, b: np.ndarray) -> None:
    if a.shape != b.shape or a.dtype != b.dtype:
        raise AssertionError(f"{place or 'the values'}: {a.dtype.name}{a.shape} and {b.dtype.name}{b.shape}")
