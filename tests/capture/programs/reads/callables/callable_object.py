"""An object with __call__ is decorated; state, class and method change."""

import kiln as kn
from tests.capture.show import show


class Affine:
    def __init__(self, a, b):
        self.a, self.b = a, b

    def __call__(self, x):
        return x * self.a + self.b


def main(jit):
    affine = Affine(1.0, 2.0)
    f = jit(affine)
    x = kn.asarray([1.0])
    show(f(x), f(x), f(x))
    affine.b = 3.0
    show(f(x))
    Affine.__call__ = lambda self, x: x * 100
    show(f(x))
    affine.__call__ = lambda x: x  # an instance's own __call__ is not what a call looks up
    show(f(x))
