"""Python arithmetic that overflows or divides by zero between tensor operators."""

import kiln as kn
from tests.capture.show import attempt


def main(jit):
    @jit
    def f(x, n):
        scale = 2.0**n
        step = 10 // (n - 3)
        return x * scale + step

    for n in (1, 1, 1, 5000, 3, 2, -2000):
        attempt(f, kn.asarray([1.0]), n)
