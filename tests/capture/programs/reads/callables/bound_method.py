"""A bound method is decorated; its object changes, then the class's method does."""

import kiln as kn
from tests.capture.show import show


class Model:
    def __init__(self):
        self.scale = 1.0

    def forward(self, x):
        return x * self.scale


def main(jit):
    model = Model()
    f = jit(model.forward)
    x = kn.asarray([1.0])
    show(f(x), f(x), f(x))
    model.scale = 2.0
    show(f(x))
    Model.forward = lambda self, x: x - 1  # the bound method keeps its function
    show(f(x), model.forward(x))
