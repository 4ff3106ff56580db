"""An exception leaves a no_grad scope: the grad mode is restored."""

import kiln as kn
from tests.capture.show import attempt, show


def main(jit):
    @jit
    def f(x, fail):
        with kn.no_grad():
            y = x * 2
            if fail:
                raise ValueError("inside no_grad")
        return y

    for fail in (False, False, False, True, False, True):
        attempt(f, kn.asarray([1.0]).requires_grad_(), fail)
        show(kn.is_grad_enabled())
