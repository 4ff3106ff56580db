"""The same values given by position and by name, in another order."""

import kiln as kn
from tests.capture.show import attempt, show


def main(jit):
    @jit
    def f(a, b, c=1.0):
        return a * 2 + b * 3 + c

    x, y = kn.asarray([1.0]), kn.asarray([10.0])
    show(f(x, y), f(x, y), f(x, y), f(b=x, a=y), f(y, b=x), f(x, c=5.0, b=y), f(a=x, b=y, c=x), f(y, x))
    attempt(f, x)
    attempt(f, x, y, x, y)
    attempt(f, x, b=y, a=x)
