"""A default dict as a cache of tensors by key."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x, key, cache={}):
        if key not in cache:
            cache[key] = x * 2
        return cache[key] + x

    for key, value in (("a", 1.0), ("a", 2.0), ("a", 3.0), ("b", 4.0), ("a", 5.0), ("b", 6.0)):
        show(f(kn.asarray([value]), key))
    return f
