"""Writing through a property's setter inside, and reading through its getter."""
# pytorch/pytorch#176599

import kiln as kn
from tests.capture.show import show


class Box:
    def __init__(self, value):
        self.inner = value

    @property
    def value(self):
        return self.inner + 1

    @value.setter
    def value(self, new):
        self.inner = new * 2


def main(jit):
    kept = Box(0)

    @jit
    def f(x, n):
        box = Box(3)
        box.value = n
        kept.value = kept.value + n
        return x + box.value

    for n in (5, 5, 5, 6, 5):
        show(f(kn.asarray([0.0]), n), kept.inner)
