"""Indices, classes and exponents that are wrong in a late call, in a loop and outside of one."""

import kiln as kn
from kiln.nn import functional as F
from tests.capture.show import show


def main(jit):
    table = kn.asarray([3, 1, 4, 1, 5])

    @jit
    def take(indices):
        return table[indices] * 2

    @jit
    def loss(x, target):
        return F.cross_entropy(x, target)

    @jit
    def power(x, y):
        return x**y + 1

    @jit
    def chase(places, i, end):
        turns = 0
        while i != end:
            i, turns = places[i], turns + 1
        return i, turns

    def attempt(f, *arguments):
        try:
            show(f(*arguments))
        except (IndexError, ValueError) as e:
            print(type(e).__name__, e)

    x = kn.asarray([[0.5, 0.25, 1.0], [1.0, 2.0, 0.0]])
    ring, broken = kn.asarray([1, 2, 3, 4, 0]), kn.asarray([1, 2, 3, 7, 0])
    for n in range(24):
        late = n > 20
        attempt(take, kn.asarray([0, 9 if late else n % 5]))
        attempt(loss, x, kn.asarray([2, 3 if late else n % 3]))
        attempt(power, table, kn.asarray([0, 1, 2, 3, -1 if late else n % 3]))
        attempt(chase, broken if late else ring, kn.asarray(n % 3), kn.asarray(0))
