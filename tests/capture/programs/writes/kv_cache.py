"""A cache of keys is written at a position that a Python counter says."""

import kiln as kn
from tests.capture.show import attempt, show


class Cache:
    def __init__(self, n):
        self.keys, self.position = kn.zeros((n, 2)), 0


def main(jit):
    cache = Cache(6)

    @jit
    def f(x):
        cache.keys[cache.position] = x
        cache.position += 1
        seen = cache.keys[: cache.position]
        return kn.softmax(seen @ x, axis=0) @ seen

    for i in range(6):
        show(f(kn.asarray([1.0, float(i)])), cache.position)
    attempt(f, kn.asarray([1.0, 0.0]))
    return cache
