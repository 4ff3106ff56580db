"""A custom gradient in a batch, per sample and through the batch, with a rule that is replaced."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @kn.custom_vjp
    def clipped(x, w):
        return x * w

    def backward(residuals, g):
        x, w = residuals
        return kn.clip(g * w, -1, 1), g * x

    clipped.defvjp(lambda x, w: (clipped(x, w), (x, w)), backward)

    @jit
    def f(xs, w):
        per_sample = kn.vmap(kn.grad(lambda x: kn.sum(clipped(x, w)) * 5))(xs)
        of_batch = kn.grad(lambda w: kn.sum(kn.vmap(clipped, in_axes=(0, None))(xs, w) ** 2))(w)
        return per_sample, of_batch

    xs, w = kn.asarray([[1.0, 2.0], [0.5, -1.0], [3.0, 0.0]]), kn.asarray([0.1, 3.0])
    show(f(xs, w), f(xs, w), f(xs, w))
    clipped.defvjp(lambda x, w: (x * w, None), lambda residuals, g: (g * 0, g * 7))
    show(f(xs, w), f(xs, w))
