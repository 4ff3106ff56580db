"""An inner function that calls itself and counts in the function around it."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x, depth):
        calls = 0

        def walk(y, d):
            nonlocal calls
            calls += 1
            return y if d == 0 else walk(y * 2, d - 1) + walk(y, d - 1)

        return walk(x, depth), calls

    for depth in (2, 2, 2, 1, 3, 0):
        show(f(kn.asarray([1.0]), depth))
