"""Subclasses of int and float take part in arithmetic as numbers, with operators of their own or without."""

import kiln as kn
from tests.capture.show import attempt, show


class Celsius(float):
    def kelvin(self):
        return self + 273.0


class Rank(int):
    pass


def main(jit):
    @jit
    def f(x, warm, rank):
        return x * warm + rank, warm.kelvin(), -rank, abs(warm), [10, 20, 30][rank], rank < 2, round(warm, 1), type(warm).__name__

    x = kn.asarray([1.0, 2.0])
    for warm, rank in ((1.5, 1),) * 3 + ((2.0, 1), (1.5, 2), (-0.0, 0)):
        attempt(f, x, Celsius(warm), Rank(rank))
    Celsius.__mul__ = Celsius.__rmul__ = lambda self, other: other + 1000
    attempt(f, x, Celsius(1.5), Rank(1))
    Rank.__index__ = lambda self: 0
    attempt(f, x, Celsius(1.5), Rank(1))
    Celsius.kelvin = lambda self: None
    show(f(x, Celsius(1.5), Rank(1)))
