"""A variable from two functions up, rebound by the one in the middle."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    base = 1.0

    def middle():
        nonlocal base
        local = 10.0

        @jit
        def f(x):
            return x * base + local

        def change(b, m):
            nonlocal base, local
            base, local = b, m

        return f, change

    f, change = middle()
    x = kn.asarray([1.0])
    for b, m in ((1.0, 10.0),) * 3 + ((2.0, 10.0), (2.0, 20.0), (1.0, 10.0)):
        change(b, m)
        show(f(x))
    return base
