"""Recursion to a depth that a Python number says, and mutual recursion."""

import kiln as kn
from tests.capture.show import show


def even(x, n):
    return x if n == 0 else odd(x * 2, n - 1)


def odd(x, n):
    return -x if n == 0 else even(x + 1, n - 1)


def main(jit):
    @jit
    def f(x, n):
        return x if n <= 0 else f(x * 2 + 1, n - 1) + n

    @jit
    def g(x, n):
        return even(x, n)

    for n in (2, 2, 2, 5, 0, 3):
        show(f(kn.asarray([1.0]), n), g(kn.asarray([1.0]), n))
