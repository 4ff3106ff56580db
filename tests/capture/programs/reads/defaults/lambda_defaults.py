"""Lambdas with defaults made in a loop; one default is replaced."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    steps = [lambda x, k=k: x * k for k in range(1, 4)]

    @jit
    def f(x):
        for step in steps:
            x = step(x) + 1
        return x

    x = kn.asarray([1.0])
    show(f(x), f(x), f(x))
    steps[0].__defaults__ = (10,)
    show(f(x))
    steps.append(lambda x, k=0: x - k)
    show(f(x))
