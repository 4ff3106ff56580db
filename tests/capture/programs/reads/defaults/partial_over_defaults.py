"""functools.partial fixes some arguments; its keywords are changed afterwards."""

import functools

import kiln as kn
from tests.capture.show import show


def scaled(x, scale=1.0, *, bias=0.0):
    return x * scale + bias


def main(jit):
    part = functools.partial(scaled, bias=5.0)

    @jit
    def f(x):
        return part(x)

    x = kn.asarray([1.0])
    show(f(x), f(x), f(x))
    part.keywords["bias"] = 6.0
    show(f(x))
    part.keywords["scale"] = 2.0
    show(f(x))
    scaled.__kwdefaults__["bias"] = 9.0
    del part.keywords["bias"]
    show(f(x))
