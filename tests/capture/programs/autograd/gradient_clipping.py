"""Gradients are clipped by their norm, which only sometimes exceeds the limit."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    w = kn.asarray([1.0, 2.0]).requires_grad_()
    clipped = []

    @jit
    def step(x, limit):
        w.grad = None
        loss = kn.sum((w * x) ** 2)
        loss.backward()
        norm = kn.sqrt(kn.sum(w.grad**2))
        if norm > limit:
            clipped.append(float(norm))
            w.grad *= limit / norm
        with kn.no_grad():
            w.__isub__(w.grad * 0.1)
        return loss

    for limit in (100.0, 100.0, 100.0, 1.0, 0.5, 50.0):
        show(step(kn.asarray([1.0, 0.5]), limit), w, len(clipped))
    return w, clipped
