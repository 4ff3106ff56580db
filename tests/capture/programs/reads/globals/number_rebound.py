"""A global number is rebound between calls, to values that are equal but not the same."""

import kiln as kn
from tests.capture.show import show

SCALE = 2.0


def main(jit):
    global SCALE

    @jit
    def f(x):
        return x * SCALE

    x = kn.asarray([1.0, 2.0])
    for value in (2.0, 2.0, 2.0, 3.0, 0.0, -0.0, 2, True, 2.0):
        SCALE = value
        show(f(x))
