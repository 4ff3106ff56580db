"""A method is replaced on the class, on the instance, and taken back."""

import kiln as kn
from tests.capture.show import show


class Layer:
    def forward(self, x):
        return x + 1


def main(jit):
    layer = Layer()

    @jit
    def f(x):
        return layer.forward(x)

    x = kn.asarray([1.0])
    show(f(x), f(x), f(x))
    Layer.forward = lambda self, x: x + 2
    show(f(x))
    layer.forward = lambda x: x + 3
    show(f(x))
    del layer.forward
    show(f(x))
