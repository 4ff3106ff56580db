"""Defaults and attributes assigned on what the decorator gave, and attributes set below it."""

import kiln as kn
from tests.capture.show import attempt, show


def main(jit):
    def tagged(function):
        function.tag = 10.0
        return function

    @jit
    @tagged
    def f(x, scale=1.0, *, bias=0.0):
        return x * scale + bias + f.tag

    x = kn.asarray([1.0])
    show(f(x), f(x), f(x), f.__defaults__, f.__kwdefaults__, f.__code__.co_name)
    f.__defaults__ = (5.0,)
    show(f(x))
    f.__kwdefaults__["bias"] = 7.0
    show(f(x))
    f.tag = 100.0
    show(f(x))
    f.__doc__ = "Said later."
    show(f.__doc__, f.__annotations__)
    del f.tag
    attempt(f, x)
