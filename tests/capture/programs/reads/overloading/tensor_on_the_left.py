"""tensor + object calls the object's reflected operator, and tells when there is none."""

import kiln as kn
from tests.capture.show import attempt


class Shift:
    def __radd__(self, other):
        return other * 100

    def __rmatmul__(self, other):
        return other - 1


def main(jit):
    @jit
    def f(x, shift):
        return x + shift, x @ shift

    x = kn.asarray([1.0, 2.0])
    for _ in range(4):
        attempt(f, x, Shift())
    del Shift.__radd__
    attempt(f, x, Shift())
    Shift.__radd__ = lambda self, other: "text"
    attempt(f, x, Shift())
