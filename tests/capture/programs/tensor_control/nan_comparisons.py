"""Comparisons with NaN are false both ways, and != is true."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x, y):
        text = ""
        for name, holds in (("<", x < y), (">", x > y), ("==", x == y), ("!=", x != y)):
            if holds:
                text += name
        return text, kn.minimum(x, y)

    nan = float("nan")
    for a, b in ((1.0, 2.0), (1.0, 2.0), (1.0, 2.0), (nan, 1.0), (nan, nan), (0.0, -0.0), (2.0, 1.0)):
        show(f(kn.asarray(a), kn.asarray(b)))
