"""Conditional expressions on tensors, nested, with numbers and tensors as results."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x):
        m = kn.mean(x)
        scale = 2.0 if m > 0 else kn.asarray(3.0) if m < -1 else 5
        return x * scale, type(scale).__name__

    for value in (1.0, 1.0, 1.0, -0.5, -5.0, 0.0, 2.0):
        show(f(kn.asarray([value, value])))
