"""A hot method is replaced, its object's class assigned, and an attribute becomes a property."""

import kiln as kn
from tests.capture.show import show


class Cell:
    k = 0.9

    def step(self, x):
        return kn.tanh(x * self.k) + 0.1


class Other(Cell):
    def step(self, x):
        return x * self.k - 0.1


def main(jit):
    cell, x = Cell(), kn.asarray([1.0, -1.0])
    for i in range(160):
        if i == 40:
            Cell.step = lambda self, x: kn.sin(x * self.k)
        if i == 80:
            cell.__class__ = Other
        if i == 120:
            Cell.k = property(lambda self: 1.1)
        x = cell.step(x)
        if i % 20 == 19:
            show(x)
