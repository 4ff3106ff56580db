"""A branch on data inside a differentiated function."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x):
        y = kn.sum(x * x)
        if y > 4:
            y = kn.sum(kn.tanh(x))
        return y

    slope = jit(kn.grad(f))
    for value in (1.0, 1.0, 1.0, 3.0, 0.5, 2.0):
        show(slope(kn.asarray([value, 1.0])))
