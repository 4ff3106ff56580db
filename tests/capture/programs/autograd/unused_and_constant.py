"""Gradients with respect to what is not used, or used in one branch only."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(a, b, use):
        return kn.sum(a * 2 + (b if use else 0.0))

    slopes = jit(kn.grad(f, argnums=(0, 1)))
    a, b = kn.asarray([1.0, 2.0]), kn.asarray([3.0, 4.0])
    for use in (True, True, True, False, True):
        show(slopes(a, b, use))
