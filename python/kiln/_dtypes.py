"""What the array API standard (2024.12) asks of dtypes: their limits, kinds and promotion."""

import numpy as np

from kiln import _core


def _numpy_dtype(x) -> np.dtype:
    x = x.dtype if isinstance(x, _core.Tensor) else x
    return np.dtype(x.name)


class finfo:
    """Limits of a floating dtype (or of a tensor's): bits, eps, max, min, smallest_normal. Of a complex one, those of its parts."""

    def __init__(self, type) -> None:
        if _dtype_of(type) is _core.bfloat16:  # which NumPy has not: float32's exponents, 8 bits of significand
            self.bits, self.eps, self.dtype = 16, 2.0**-7, _core.bfloat16
            self.max, self.smallest_normal = 2.0**128 - 2.0**120, 2.0**-126
            self.min = -self.max
            return
        limits = np.finfo(_numpy_dtype(type))
        self.bits: int = limits.bits
        self.eps = float(limits.eps)
        self.max = float(limits.max)
        self.min = float(limits.min)
        self.smallest_normal = float(limits.smallest_normal)
        self.dtype = getattr(_core, str(limits.dtype))


class iinfo:
    """Limits of an integer dtype (or of a tensor's): bits, max, min."""

    def __init__(self, type) -> None:
        limits = np.iinfo(_numpy_dtype(type))
        self.bits: int = limits.bits
        self.max = int(limits.max)
        self.min = int(limits.min)
        self.dtype = getattr(_core, str(limits.dtype))


_KINDS = {
    "bool": "b",
    "signed integer": "i",
    "unsigned integer": "u",
    "integral": "iu",
    "real floating": "f",
    "complex floating": "c",
    "numeric": "iufc",
}


def _dtype_of(x) -> _core.dtype:
    x = x.dtype if isinstance(x, _core.Tensor) else x
    return x if isinstance(x, _core.dtype) else getattr(_core, _numpy_dtype(x).name)


def isdtype(dtype, kind) -> bool:
    """Whether a dtype is of a kind: "bool", "signed integer", "unsigned integer", "integral", "real floating", "complex floating",
    "numeric", a dtype, or any of a tuple of them."""
    if isinstance(kind, tuple):
        return any(isdtype(dtype, each) for each in kind)
    if isinstance(kind, str) and kind in _KINDS:
        return _dtype_of(dtype).kind in _KINDS[kind]
    if isinstance(kind, str):
        raise ValueError(f"isdtype: no kind is called '{kind}'; there is {', '.join(_KINDS)}")
    return _dtype_of(dtype) is _dtype_of(kind)


def result_type(*arrays_and_dtypes) -> _core.dtype:
    """The dtype that these tensors and dtypes have in common. Python numbers are weak: they decide the kind, never the width."""
    if not arrays_and_dtypes:
        raise ValueError("result_type: at least one tensor, dtype or number")
    numbers = [x for x in arrays_and_dtypes if isinstance(x, (bool, int, float, complex))]
    common = None
    for x in [_dtype_of(x) for x in arrays_and_dtypes if not isinstance(x, (bool, int, float, complex))] + numbers:
        common = x if common is None else _core.operators["add"].operand_dtypes([common, x])[0]
    if not isinstance(common, _core.dtype):
        common = _core.operators["add"].operand_dtypes([common, common])[0]
    return common


def can_cast(from_, to) -> bool:
    """Whether promotion ever turns one dtype into the other."""
    given, wanted = _dtype_of(from_), _dtype_of(to)
    try:
        return result_type(given, wanted) is wanted
    except TypeError:
        return False
