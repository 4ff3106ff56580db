"""A captured variable is rebound by the function around it."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    scale = 1.0

    @jit
    def f(x):
        return x * scale

    x = kn.asarray([1.0, 2.0])
    for value in (1.0, 1.0, 1.0, 2.0, -0.0, 1, kn.asarray([5.0, 6.0]), 1.0):
        scale = value
        show(f(x))
