"""A str and an int subclass with methods of their own behind equal values."""

import kiln as kn
from tests.capture.show import show


class Loud(str):
    def upper(self):
        return "LOUD"


class Doubled(int):
    def __mul__(self, other):
        return other * (int(self) * 2)


def main(jit):
    @jit
    def f(x, text, n):
        return n * x + len(text.upper())

    x = kn.asarray([1.0])
    for text, n in (("ab", 3), ("ab", 3), ("ab", 3), (Loud("ab"), 3), ("ab", Doubled(3)), ("ab", 3), ("abc", 4)):
        show(f(x, text, n))
