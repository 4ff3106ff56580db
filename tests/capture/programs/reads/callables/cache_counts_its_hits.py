"""functools.cache counts the calls that it answers; what it holds is thrown away, and one answer is changed in place."""

import functools

import kiln as kn
from tests.capture.show import show


@functools.cache
def table(n, kind="up"):
    return [float(i) if kind == "up" else -float(i) for i in range(n)]


def main(jit):
    @jit
    def f(x, n):
        return x + sum(table(n)) + len(table(n, "down"))

    x = kn.asarray([1.0])
    table(3), table(3, "down"), table(4), table(4, "down")
    for n in (3, 3, 3, 4, 3):
        show(f(x, n), tuple(table.cache_info()))
    table(3)[0] = 100.0
    show(f(x, 3), tuple(table.cache_info()))
    table.cache_clear()
    show(f(x, 3), tuple(table.cache_info()))
    show(f(x, 3), tuple(table.cache_info()))
