"""__index__, __int__ and __float__ of user objects as sizes, indices and scalars."""

import kiln as kn
from tests.capture.show import attempt, show


class Size:
    def __init__(self, n):
        self.n = n

    def __index__(self):
        return self.n

    def __float__(self):
        return self.n + 0.5


def main(jit):
    size = Size(2)

    @jit
    def f(x):
        return x[size] * float(size) + [10, 20, 30, 40][size] + len(range(size))

    x = kn.asarray([1.0, 2.0, 3.0, 4.0])
    show(f(x), f(x), f(x))
    size.n = 3
    show(f(x))
    Size.__float__ = lambda self: -1.0
    show(f(x))
    size.n = 9
    attempt(f, x)
