"""A property, __getattr__ and __slots__-less attributes appear on the class afterwards."""

import kiln as kn
from tests.capture.show import show


class Plain:
    def __init__(self):
        self.k = 1.0


def main(jit):
    plain = Plain()

    @jit
    def f(x):
        return x * plain.k

    x = kn.asarray([1.0])
    show(f(x), f(x), f(x))
    Plain.k = property(lambda self: 5.0)
    show(f(x))
    Plain.__getattribute__ = lambda self, name: 9.0
    show(f(x))
    del Plain.__getattribute__, Plain.k
    show(f(x))
