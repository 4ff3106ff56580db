"""Second and third derivatives by nested grad."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    def f(x):
        return kn.sum(x**4) * 0.5

    second = jit(kn.grad(lambda x: kn.sum(kn.grad(f)(x) * x)))
    third = jit(lambda x: kn.grad(lambda y: kn.sum(kn.grad(lambda z: kn.sum(kn.grad(f)(z)))(y)))(x))
    for value in (1.0, 1.0, 1.0, 2.0, -0.5):
        x = kn.asarray([value, 1.0])
        show(second(x), third(x))
