"""A property computes from an attribute that changes; later the property itself is another."""

import kiln as kn
from tests.capture.show import show


class Box:
    def __init__(self, value):
        self.inner = value

    @property
    def value(self):
        return self.inner * 2


def main(jit):
    box = Box(1.0)

    @jit
    def f(x):
        return x + box.value

    x = kn.asarray([0.0])
    for inner in (1.0, 1.0, 1.0, 3.0):
        box.inner = inner
        show(f(x))
    Box.value = property(lambda self: self.inner * 100)
    show(f(x))
    Box.value = 7.0
    show(f(x))
