"""A closure made and called inside, over a local that changes after it was made."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x, n):
        total = x

        def add(amount):
            nonlocal total
            total = total + amount * n
            return total

        add(1.0)
        n = n + 10
        add(x)
        return total

    for n in (1, 1, 1, 2, 0, -1):
        show(f(kn.asarray([1.0, 2.0]), n))
