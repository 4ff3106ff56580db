"""Integer scalars at the edges of int64 with integer tensors."""

import kiln as kn
from tests.capture.show import attempt


def main(jit):
    @jit
    def f(x, n):
        return x + n

    x = kn.asarray([1, -1])
    for n in (5, 5, 5, 2**31, 2**63 - 1, -(2**63), 2**63, -1, 6):
        attempt(f, x, n)
