"""A dimension of 1 broadcasts where 2 does not."""

import kiln as kn
from tests.capture.show import attempt


def main(jit):
    @jit
    def f(x, y):
        return x * y + 1

    for a, b in ((3, 3), (3, 3), (3, 3), (1, 3), (3, 1), (2, 3), (1, 1), (0, 1), (4, 4)):
        attempt(f, kn.arange(a, dtype=kn.float32), kn.arange(b, dtype=kn.float32))
