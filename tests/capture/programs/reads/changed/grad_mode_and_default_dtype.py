"""The default dtype and the grad mode around the call change."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    w = kn.asarray([1.0, 2.0]).requires_grad_()

    @jit
    def f(x):
        y = w * x + kn.zeros((2,)) + kn.asarray(0.5)
        return y, y.requires_grad

    x = kn.asarray([1.0, 1.0])
    show(f(x), f(x), f(x))
    with kn.no_grad():
        show(f(x))
    kn.set_default_dtype(kn.float64)
    show(f(x))
    kn.set_default_dtype(kn.float32)
    show(f(x))
