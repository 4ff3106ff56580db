"""A helper decorated with no_grad, called from a differentiated function."""

import kiln as kn
from tests.capture.show import show


@kn.no_grad
def frozen(w, x):
    return w * x


def main(jit):
    w = kn.asarray([2.0, 3.0]).requires_grad_()

    @jit
    def f(x):
        loss = kn.sum(frozen(w, x) * w)
        loss.backward()
        grad, w.grad = w.grad, None
        return loss.detach(), grad

    for value in (1.0, 1.0, 1.0, 2.0, -1.0):
        show(f(kn.asarray([value, 1.0])))
