"""A tensor is printed, written in place, and printed again."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x):
        y = x + 0
        print(y)
        y += 10
        print(y, f"{y[0]:.2f}")
        return y

    for value in (1.0, 1.0, 1.0, 2.0):
        show(f(kn.asarray([value, 0.5])))
