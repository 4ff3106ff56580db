"""An exception three helpers down shows every frame of the program."""

import kiln as kn
from tests.capture.show import attempt


def low(x, n):
    if n > 2:
        raise ValueError(f"n is {n}")
    return x * n


def middle(x, n):
    y = low(x + 1, n)
    return y


class Layer:
    def forward(self, x, n):
        return middle(x, n) + 1


def main(jit):
    layer = Layer()

    @jit
    def f(x, n):
        y = x * 2
        return layer.forward(y, n)

    for n in (1, 1, 1, 3, 2, 5):
        attempt(f, kn.asarray([1.0]), n)
