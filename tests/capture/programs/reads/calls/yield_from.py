"""yield from delegates and gives the inner generator's return value."""

import kiln as kn
from tests.capture.show import show


def inner(n):
    for i in range(n):
        yield i
    return n * 10


def outer(n):
    result = yield from inner(n)
    yield result


def main(jit):
    @jit
    def f(x, n):
        for value in outer(n):
            x = x * 2 + value
        return x

    for n in (2, 2, 2, 0, 3):
        show(f(kn.asarray([1.0]), n))
