"""A descriptor with __get__ and __set__ that counts what it is asked."""

import kiln as kn
from tests.capture.show import show


class Counted:
    def __set_name__(self, owner, name):
        self.name = "_" + name

    def __get__(self, instance, owner):
        if instance is None:
            return self
        instance.reads += 1
        return getattr(instance, self.name)

    def __set__(self, instance, value):
        setattr(instance, self.name, value)


class Layer:
    scale = Counted()

    def __init__(self):
        self.reads = 0
        self.scale = 1.0


def main(jit):
    layer = Layer()

    @jit
    def f(x):
        return x * layer.scale + layer.scale

    x = kn.asarray([1.0])
    for value in (1.0, 1.0, 1.0, 2.0, 3.0):
        layer.scale = value
        show(f(x), layer.reads)
    return layer
