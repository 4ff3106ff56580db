"""A mutable default collects over calls."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x, seen=[]):
        seen.append(len(seen))
        return x + sum(seen)

    x = kn.asarray([1.0])
    for _ in range(5):
        show(f(x))
    show(f(x, []), f(x, [5]), f(x))
