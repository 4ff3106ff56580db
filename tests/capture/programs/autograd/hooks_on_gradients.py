"""A hook scales a gradient on its way, by a global that is rebound."""

import kiln as kn
from tests.capture.show import show

SCALE = 2.0


def scale(g):
    return g * SCALE


def main(jit):
    global SCALE
    w = kn.asarray([1.0, -2.0]).requires_grad_()

    @jit
    def step(x):
        w.grad = None
        h = w * x
        h.register_hook(scale)
        kn.sum(kn.tanh(h)).backward()
        return w.grad

    for SCALE in (2.0, 2.0, 2.0, 0.5, 2.0):
        show(step(kn.asarray([1.0, 0.5])))
    return w
