"""A list that contains itself, at one length and another."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    knot = [1.0]
    knot.append(knot)

    @jit
    def f(x):
        return x * knot[1][1][0] + len(knot[1])

    x = kn.asarray([2.0])
    show(f(x), f(x), f(x))
    knot[0] = 4.0
    show(f(x))
    knot.append(0)
    show(f(x))
