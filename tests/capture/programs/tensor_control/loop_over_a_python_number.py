"""A loop whose number of turns and step are Python numbers that the caller changes."""
# tensorflow/tensorflow#36794

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(n, start):
        total, increment = kn.asarray(0.0), kn.asarray(start)
        for _ in range(n):
            total += increment
            increment /= 2.0
        return total

    for n, start in ((20, 1.0), (20, 1.0), (20, 1.0), (3, 1.0), (20, 2.0), (0, 1.0), (3, 2.0)):
        show(f(n, start))
