"""A captured float moves by one ulp, to a subnormal and to its float32 neighbour."""

import math

import kiln as kn
from tests.capture.show import show


def main(jit):
    scale = 0.1

    @jit
    def f(x):
        return x * scale

    x = kn.asarray([1.0, 3.0], dtype=kn.float64)
    for value in (0.1, 0.1, 0.1, math.nextafter(0.1, 1), 5e-324, 0.10000000149011612, 1e400):
        scale = value
        show(f(x))
