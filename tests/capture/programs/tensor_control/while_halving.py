"""while on a tensor condition; the number of turns depends on the data."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x):
        turns = 0
        while kn.max(kn.abs(x)) > 1:
            x = x / 2
            turns += 1
        return x, turns

    for value in (3.0, 3.0, 3.0, 100.0, 0.5, -1000.0, float("nan")):
        show(f(kn.asarray([value, 1.0])))
