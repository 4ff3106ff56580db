"""functools.singledispatch gets another implementation between calls."""

import functools

import kiln as kn
from tests.capture.show import show


@functools.singledispatch
def scale_of(value):
    return 1.0


@scale_of.register
def _(value: str):
    return float(len(value))


def main(jit):
    @jit
    def f(x, value):
        return x * scale_of(value)

    x = kn.asarray([1.0])
    for value in ("abc", "abc", "abc", 5, None, "abcd"):
        show(f(x, value))
    scale_of.register(int, lambda value: value * 10.0)
    show(f(x, 5), f(x, True))
