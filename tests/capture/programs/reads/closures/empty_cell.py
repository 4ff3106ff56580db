"""A captured variable has no value yet, then has one, then is deleted."""

import kiln as kn
from tests.capture.show import attempt


def main(jit):
    @jit
    def f(x):
        return x + later

    x = kn.asarray([1.0])
    attempt(f, x)
    attempt(f, x)
    attempt(f, x)
    later = 1.0
    attempt(f, x)
    attempt(f, x)
    del later
    attempt(f, x)
    later = 2.0
    attempt(f, x)
