"""Dtypes, as objects and in conditions, decide what is made."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x, dtype):
        if dtype is kn.int32:
            x = x + 0.9
        return x.astype(dtype) * 2, x.dtype == dtype

    x = kn.asarray([1.5, -2.5])
    for dtype in (kn.float64, kn.float64, kn.float64, kn.int32, kn.bool, kn.float16, kn.float32):
        show(f(x, dtype))
