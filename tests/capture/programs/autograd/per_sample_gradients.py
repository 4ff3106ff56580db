"""vmap of grad inside a captured function, over weights that are rebound."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    w = kn.asarray([1.0, -1.0])

    def loss(w, x):
        return kn.tanh(w * x).sum() ** 2

    @jit
    def f(xs):
        return kn.vmap(kn.grad(loss), in_axes=(None, 0))(w, xs)

    xs = kn.asarray([[1.0, 2.0], [0.5, -1.0], [3.0, 0.0]])
    show(f(xs), f(xs), f(xs))
    w = kn.asarray([2.0, 0.5])
    show(f(xs), f(xs[:2]))
