"""NaN is not equal to itself and must still be found again; its sign can be read."""

import math

import kiln as kn
from tests.capture.show import show


def main(jit):
    nan = float("nan")

    @jit
    def f(x, n):
        if n != n:
            return x + math.copysign(1.0, n)
        return x * n

    x = kn.asarray([1.0])
    for n in (nan, nan, nan, -nan, 2.0, float("nan"), math.inf, -math.inf):
        show(f(x, n))
