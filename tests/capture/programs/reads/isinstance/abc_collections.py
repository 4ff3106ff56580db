"""collections.abc tests of a class that gains and loses methods."""

import collections.abc as abc

import kiln as kn
from tests.capture.show import show


class Thing:
    pass


def main(jit):
    @jit
    def f(x, thing):
        return x + isinstance(thing, abc.Sized) * 10 + isinstance(thing, abc.Callable) * 100 + isinstance(thing, abc.Mapping) * 1000

    x = kn.asarray([1.0])
    for thing in ([], [], [], {}, 5, len, Thing()):
        show(f(x, thing))
    other = type("Thing", (), {"__len__": lambda self: 3, "__call__": lambda self: None})
    show(f(x, other()))
