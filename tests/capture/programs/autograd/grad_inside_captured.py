"""kn.grad of a captured function inside a captured function, over a rebound closure."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    scale = 1.0

    @jit
    def inner(x):
        return kn.sum(kn.sin(x) * scale)

    @jit
    def f(x):
        return kn.grad(inner)(x) + inner(x)

    x = kn.asarray([0.5, 1.0])
    for value in (1.0, 1.0, 1.0, 3.0, 1.0):
        scale = value
        show(f(x))
