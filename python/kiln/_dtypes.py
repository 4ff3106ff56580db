"""kiln.finfo and kiln.iinfo: the limits of dtypes, as NumPy tells them."""

import numpy as np

from kiln import _core


def _numpy_dtype(x) -> np.dtype:
    return np.dtype((x.dtype if isinstance(x, _core.Tensor) else x).name)


class finfo:
    """Limits of a floating dtype (or of a tensor's): bits, eps, max, min, smallest_normal."""

    def __init__(self, type) -> None:
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
