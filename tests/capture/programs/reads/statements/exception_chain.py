"""raise from, an implicit context, and a re-raise, with their causes and lines."""

import kiln as kn
from tests.capture.show import attempt


def main(jit):
    def low(n):
        if n == 1:
            raise KeyError("low")
        return n

    @jit
    def f(x, n):
        try:
            return x * low(n)
        except KeyError as error:
            raise ValueError("middle") from error

    @jit
    def g(x, n):
        try:
            return f(x, n)
        except ValueError:
            x.no_such_attribute

    x = kn.asarray([1.0])
    for n in (2, 2, 2, 1, 3, 1):
        attempt(f, x, n)
        attempt(g, x, n)
