"""An abstract class gets a virtual subclass between calls."""

import abc

import kiln as kn
from tests.capture.show import show


class Scalable(abc.ABC):
    pass


class Plain:
    pass


def main(jit):
    @jit
    def f(x, thing):
        return x * 10 if isinstance(thing, Scalable) else x

    x, thing = kn.asarray([1.0]), Plain()
    show(f(x, thing), f(x, thing), f(x, thing))
    Scalable.register(Plain)
    show(f(x, thing), issubclass(Plain, Scalable))
