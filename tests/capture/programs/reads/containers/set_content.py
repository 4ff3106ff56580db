"""A set's members and their number; the same set object all along."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    active = {1, 2}

    @jit
    def f(x):
        for member in sorted(active):
            x = x * 2 + member
        return x + len(active) * 100

    x = kn.asarray([1.0])
    show(f(x), f(x), f(x))
    active.add(5)
    show(f(x))
    active.remove(1)
    show(f(x))
    active |= {2.0, True}
    show(f(x), sorted(active))
