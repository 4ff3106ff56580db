"""Builtins over Python numbers that vary."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x, values):
        return x * sum(values) + min(values) - max(values) + sorted(values)[1] + abs(values[0]) + pow(values[0], 2)

    x = kn.asarray([1.0, 2.0])
    for values in ([1, 2, 3], [1, 2, 3], [1, 2, 3], [3, 2, 1], [-1, 5, 5], [1.5, 2, 3]):
        show(f(x, values))
