"""A global goes away between calls (NameError) and comes back with another value."""

import kiln as kn
from tests.capture.show import attempt

LIMIT = 1.0


def main(jit):
    global LIMIT

    @jit
    def f(x):
        return kn.minimum(x, LIMIT)

    x = kn.asarray([0.5, 1.5, 2.5])
    for _ in range(4):
        attempt(f, x)
    del LIMIT
    attempt(f, x)
    LIMIT = 2.0
    attempt(f, x)
