"""Slices, negative indices and steps of lists and tuples that change."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    values = [1.0, 2.0, 3.0, 4.0]

    @jit
    def f(x, start):
        return x + sum(values[start:]) * 10 + values[-1] + sum(values[::-2]) + len(values[1:-1])

    x = kn.asarray([0.0])
    for start in (0, 0, 0, 1, -1, 5):
        show(f(x, start))
    values[1:3] = [9.0]
    show(f(x, 0))
    del values[0]
    show(f(x, 0))
