"""A metaclass with __instancecheck__ reads a flag that changes."""

import kiln as kn
from tests.capture.show import show


class Meta(type):
    flag = False

    def __instancecheck__(cls, instance):
        return Meta.flag and instance != 0


class Special(metaclass=Meta):
    pass


def main(jit):
    @jit
    def f(x, thing):
        return x + 1 if isinstance(thing, Special) else x - 1

    x = kn.asarray([1.0])
    show(f(x, 5), f(x, 5), f(x, 5))
    Meta.flag = True
    show(f(x, 5), f(x, 0))
    Meta.__instancecheck__ = lambda cls, instance: instance == 0
    show(f(x, 5), f(x, 0))
