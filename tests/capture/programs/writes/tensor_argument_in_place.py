"""Arguments are written in place; the caller sees it through every alias."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x, y):
        x += y
        x *= 2
        y[0] = -1.0
        return x

    x, y = kn.asarray([1.0, 2.0]), kn.asarray([0.5, 0.5])
    view = x[1:]
    for _ in range(5):
        show(f(x, y) is x, x, y, view)
    return x, y, view
