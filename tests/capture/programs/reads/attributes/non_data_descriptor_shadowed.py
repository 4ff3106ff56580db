"""A descriptor without __set__ gives way to an instance attribute of its name."""

import kiln as kn
from tests.capture.show import show


class Lazy:
    def __get__(self, instance, owner):
        return 10.0


class Layer:
    scale = Lazy()


def main(jit):
    layer = Layer()

    @jit
    def f(x):
        return x * layer.scale

    x = kn.asarray([1.0])
    show(f(x), f(x), f(x))
    layer.__dict__["scale"] = 2.0
    show(f(x))
    del layer.__dict__["scale"]
    show(f(x))
    Lazy.__set__ = lambda self, instance, value: None
    layer.__dict__["scale"] = 3.0
    show(f(x))
