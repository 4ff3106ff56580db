"""Slices of a list are replaced, cut out and sorted in place."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    values = [4.0, 1.0, 3.0, 2.0]

    @jit
    def f(x, n):
        values[1:3] = [n, n * 2.0, 0.5]
        del values[:1]
        values.sort(reverse=True)
        values[len(values) :] = (1.0,)
        del values[4:]
        for v in values:
            x = x * 2 + v
        return x

    for n in (1.0, 1.0, 1.0, 1.0, 5.0, 0.0):
        show(f(kn.asarray([0.0]), n), values)
    return values
