"""A value that backward needs is overwritten after its use: an error, also captured."""

import kiln as kn
from tests.capture.show import attempt, show


def main(jit):
    @jit
    def f(w, overwrite):
        h = w * 1
        y = kn.sum(h * h)
        if overwrite:
            h += 1
        y.backward()
        return y.detach()

    for overwrite in (False, False, False, True, False):
        w = kn.asarray([1.0, 2.0]).requires_grad_()
        attempt(f, w, overwrite)
        show(w.grad)
