"""A tensor is written, one of its items is read into Python, and it is written again."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    counts = kn.zeros((3,), dtype=kn.int64)

    @jit
    def f(x, i):
        counts[i] += 1
        n = int(counts[i])
        counts[(i + n) % 3] += n
        return x * n

    for i in (0, 0, 0, 1, 2, 0):
        show(f(kn.asarray([1.0]), i), counts)
    return counts
