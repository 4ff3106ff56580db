"""Dtype and shape change in turns, and sometimes both."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x):
        return x * 2 + (x.shape[0] if x.dtype is kn.int64 else 0.5)

    for n, dtype in ((2, kn.float32),) * 3 + ((2, kn.int64), (3, kn.float32), (3, kn.float64), (2, kn.int64), (1, kn.bool)):
        show(f(kn.ones((n,), dtype=dtype)))
