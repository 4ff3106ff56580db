"""functools.cache runs its function once per argument, also from a captured caller."""
# pytorch/pytorch#146598

import functools

import kiln as kn
from tests.capture.show import show

CALLS = 0


@functools.cache
def factor(n):
    global CALLS
    CALLS += 1
    return n + CALLS


def main(jit):
    @jit
    def f(x, n):
        return x * factor(n)

    for n in (1, 1, 1, 2, 1, 2, 3, 1.0, True):
        show(f(kn.asarray([1.0]), n), CALLS)
    factor.cache_clear()
    show(f(kn.asarray([1.0]), 1), CALLS)
