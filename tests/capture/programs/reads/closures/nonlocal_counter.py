"""A closure counts with nonlocal, as an effect that the next call reads."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    def make():
        count = 0

        @jit
        def f(x):
            nonlocal count
            count += 1
            return x + count

        return f, lambda: count

    f, count = make()
    for _ in range(6):
        show(f(kn.asarray([0.0, 1.0])), count())
