"""Writing a leaf that requires grad raises with the tape on, and works without."""

import kiln as kn
from tests.capture.show import attempt, show


def main(jit):
    @jit
    def f(w, taped):
        if taped:
            w += 1
        else:
            with kn.no_grad():
                w += 1
        return w * 2

    w = kn.asarray([1.0]).requires_grad_()
    for taped in (False, False, False, True, False, True):
        attempt(f, w, taped)
        show(w)
