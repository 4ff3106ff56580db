"""A global tensor is replaced by another of the same shape, then of another shape and dtype."""

import kiln as kn
from tests.capture.show import show

WEIGHT = None


def main(jit):
    global WEIGHT

    @jit
    def f(x):
        return x * WEIGHT

    x = kn.asarray([1.0, 2.0])
    for values in ([1.0, 1.0], [1.0, 1.0], [1.0, 1.0], [3.0, 4.0], [[5.0, 6.0], [7.0, 8.0]], [True, False], [2, 3], 9):
        WEIGHT = kn.asarray(values)
        show(f(x))
