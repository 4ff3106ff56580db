"""jvp of grad, vjp of grad, and grad of jvp give one product, with a closure that is rebound."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    power = 3

    def f(x):
        return kn.sum(x**power) * x[0]

    @jit
    def products(x, v):
        _, forward = kn.jvp(kn.grad(f), (x,), (v,))
        _, pull = kn.vjp(kn.grad(f), x)
        return forward, pull(v)[0], kn.grad(lambda x: kn.jvp(f, (x,), (v,))[1])(x)

    x, v = kn.asarray([1.0, 2.0]), kn.asarray([0.5, -1.0])
    for power in (3, 3, 3, 2, 3):
        show(products(x, v))
