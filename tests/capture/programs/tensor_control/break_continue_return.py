"""break, continue and an early return in nested loops, all decided by data."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x, limit):
        total = kn.asarray(0.0)
        for i in range(x.shape[0]):
            for j in range(x.shape[1]):
                value = x[i, j]
                if value < 0:
                    continue
                if value > limit:
                    break
                total = total + value
            if total > 100:
                return -total
        return total

    base = kn.asarray([[1.0, 5.0, 2.0], [50.0, -1.0, 60.0]])
    for factor, limit in ((1.0, 55.0), (1.0, 55.0), (1.0, 55.0), (1.0, 4.0), (1.0, 99.0), (-1.0, 3.0), (0.1, 99.0)):
        show(f(base * factor, limit))
