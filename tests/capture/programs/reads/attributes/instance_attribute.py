"""An instance attribute is assigned, deleted, and falls back to the class."""

import kiln as kn
from tests.capture.show import show


class Layer:
    scale = 10.0

    def __init__(self):
        self.scale = 1.0


def main(jit):
    layer = Layer()

    @jit
    def f(x):
        return x * layer.scale

    x = kn.asarray([1.0, 2.0])
    for value in (1.0, 1.0, 1.0, 2.0, 1, None):
        if value is None:
            del layer.scale
        else:
            layer.scale = value
        show(f(x))
