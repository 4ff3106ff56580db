"""A ladder of elif on one scalar, with sides of different structure."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x):
        m = kn.max(x)
        if m > 10:
            return x / m
        elif m > 5:
            x = x - m
            extra = kn.sum(x)
        elif m > 0:
            return [x, x]
        else:
            extra = -1.0
        return x * extra

    for value in (1.0, 1.0, 1.0, 6.0, 20.0, -3.0, 7.0, 2.0):
        show(f(kn.asarray([value, value / 2])))
