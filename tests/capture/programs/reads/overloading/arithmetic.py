"""A number-like object with its own +, * and their reflected forms, whose table changes."""

import kiln as kn
from tests.capture.show import show


class Meters:
    factor = 2.0

    def __init__(self, n):
        self.n = n

    def __add__(self, other):
        return other + self.n * self.factor

    def __radd__(self, other):
        return other + self.n * self.factor * 10

    def __mul__(self, other):
        return other * self.n

    __rmul__ = __mul__


def main(jit):
    @jit
    def f(x, m):
        return (m + x) + m * x

    x = kn.asarray([1.0, 2.0])
    for m in (Meters(1), Meters(1), Meters(1), Meters(2), 3.0):
        show(f(x, m))
    Meters.factor = 5.0
    show(f(x, Meters(1)))
    Meters.__mul__ = lambda self, other: other * 0
    show(f(x, Meters(1)))
