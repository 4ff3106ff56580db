"""type(x) of arguments decides; equal values of other types come later."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x, n):
        if type(n) is int:
            return x * n
        if type(n) is bool:
            return -x
        return x / n

    x = kn.asarray([3.0])
    for n in (2, 2, 2, True, 2.0, 1, False + 0, 1.0, True):
        show(f(x, n))
