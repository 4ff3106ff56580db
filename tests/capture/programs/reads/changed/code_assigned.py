"""__code__ of the decorated function and of a helper is assigned."""

import kiln as kn
from tests.capture.show import show


def helper(x):
    return x * 2


def other(x):
    return x * 9


def main(jit):
    def plain(x):
        return helper(x) + 1

    def another(x):
        return helper(x) - 1

    f = jit(plain)
    x = kn.asarray([1.0])
    show(f(x), f(x), f(x))
    helper.__code__ = other.__code__
    show(f(x))
    plain.__code__ = another.__code__
    show(f(x))
