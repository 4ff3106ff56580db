"""requires_grad_ and .grad are set inside the function."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    w = kn.asarray([1.0, 2.0])

    @jit
    def f(x, on):
        w.requires_grad_(on)
        y = w * x
        if y.requires_grad:
            kn.sum(y).backward()
        grad = w.grad
        w.grad = None
        return y.detach(), grad

    for on in (True, True, True, False, True):
        show(f(kn.asarray([3.0, 4.0]), on))
    return w
