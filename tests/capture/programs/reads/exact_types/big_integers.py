"""Integers beyond 64 bits in Python arithmetic, and beyond the tensor's dtype."""

import kiln as kn
from tests.capture.show import attempt


def main(jit):
    @jit
    def f(x, n):
        small = (n * n) % 1000003
        return x * small + (n >> 64), n.bit_length()

    x = kn.asarray([1.0])
    for n in (10, 10, 10, 2**63, 2**64, 2**200 + 1, -(2**65), 2**31):
        attempt(f, x, n)
