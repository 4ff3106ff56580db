"""A tuple cannot change, a list in it can."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    pair = (1.0, [2.0])

    @jit
    def f(x):
        a, (b, *rest) = pair
        return x * a + b + len(rest)

    x = kn.asarray([1.0])
    show(f(x), f(x), f(x))
    pair[1][0] = 3.0
    show(f(x))
    pair[1].extend([0, 0])
    show(f(x))
