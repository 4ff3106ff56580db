"""An attribute that comes from the metaclass, then from the class itself."""

import kiln as kn
from tests.capture.show import show


class Meta(type):
    scale = 2.0

    @property
    def bias(cls):
        return cls.offset


class Layer(metaclass=Meta):
    offset = 1.0


def main(jit):
    @jit
    def f(x):
        return x * Layer.scale + Layer.bias

    x = kn.asarray([1.0])
    show(f(x), f(x), f(x))
    Meta.scale = 3.0
    show(f(x))
    Layer.offset = 10.0
    show(f(x))
    Layer.scale = 4.0
    show(f(x))
    del Layer.scale
    show(f(x))
