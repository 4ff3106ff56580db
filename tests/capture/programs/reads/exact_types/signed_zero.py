"""-0.0 and 0.0 are equal and divide differently."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x, zero):
        return x / zero, kn.copysign(x, zero)

    x = kn.asarray([1.0, -1.0])
    for zero in (0.0, 0.0, 0.0, -0.0, 0.0, 0, -0.0):
        show(f(x, zero))
