"""The same with dynamic=True asked for from the start."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit(dynamic=True)
    def f(x):
        return kn.concat([x, x[: x.shape[0] // 2]]) * x.shape[0]

    for n in (4, 5, 0, 1, 2, 7, 8):
        show(f(kn.arange(n, dtype=kn.float32)))
