"""A nonlocal tensor is replaced by each call: a running sum as closure state."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    total = kn.asarray([0.0, 0.0])

    @jit
    def f(x):
        nonlocal total
        before = total
        total = total + x
        return before

    for i in range(6):
        show(f(kn.asarray([1.0, float(i)])), total)
    return total
