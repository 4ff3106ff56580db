"""Keyword-only, positional-only and defaulted parameters given in every way."""

import kiln as kn
from tests.capture.show import attempt, show


def main(jit):
    @jit
    def f(x, /, y=2.0, *, z=3.0, **rest):
        return x * y + z, rest

    x = kn.asarray([1.0])
    show(f(x), f(x), f(x), f(x, 5.0), f(x, y=5.0), f(x, z=1.0), f(x, 5.0, z=1.0, x=9))
    attempt(f, x=x)
    attempt(f, x, 1.0, 2.0)
    show(f(x, z=2.0), f(x, y=6.0), f(x, z=2.0, y=6.0), f(x, 7.0), f(x, y=7.0))
