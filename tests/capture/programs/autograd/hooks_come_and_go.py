"""Hooks on a parameter are registered and removed between calls that are otherwise alike."""

import kiln as kn
from tests.capture.show import show


def halve(g):
    return g / 2


def main(jit):
    w = kn.asarray([1.0, -2.0]).requires_grad_()
    seen = []

    @jit
    def step(x):
        w.grad = None
        kn.sum(w * x).backward()
        return w.grad

    x = kn.asarray([1.0, 0.5])
    show(step(x), step(x), step(x))
    first = w.register_hook(halve)
    show(step(x), step(x), step(x))
    second = w.register_hook(lambda g: seen.append(g.tolist()))
    show(step(x), step(x), seen)
    first.remove()
    show(step(x), seen)
    second.remove()
    show(step(x), step(x), seen)
