"""no_grad and enable_grad as scopes inside, around, and decided by an argument."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    w = kn.asarray([2.0]).requires_grad_()

    @jit
    def f(x, frozen):
        if frozen:
            with kn.no_grad():
                h = w * x
        else:
            h = w * x
        with kn.enable_grad():
            y = h * w
        return y, h.requires_grad, y.requires_grad

    x = kn.asarray([3.0])
    for frozen in (True, True, True, False, True):
        show(f(x, frozen))
    with kn.no_grad():
        show(f(x, False), kn.is_grad_enabled())
