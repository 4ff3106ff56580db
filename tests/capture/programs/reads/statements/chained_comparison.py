"""Chained comparisons, and/or values, conditional expressions and short cuts with side effects."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    calls = []

    def value(n):
        calls.append(n)
        return n

    @jit
    def f(x, n):
        if 0 < value(n) < 3 < value(10):
            x = x + 1
        x = x * (value(0) or value(n) or 7)
        return x if value(n) and n != 2 else -x

    for n in (1, 1, 1, 2, 0, 5, -1):
        show(f(kn.asarray([1.0]), n), len(calls))
    return calls
