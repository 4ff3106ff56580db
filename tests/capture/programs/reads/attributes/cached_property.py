"""functools.cached_property computes once and leaves its value in the instance."""

import functools

import kiln as kn
from tests.capture.show import show


class Layer:
    def __init__(self):
        self.made = 0

    @functools.cached_property
    def table(self):
        self.made += 1
        return kn.asarray([1.0, 2.0]) * self.made


def main(jit):
    layer = Layer()

    @jit
    def f(x):
        return x * layer.table

    x = kn.asarray([1.0, 1.0])
    show(f(x), f(x), f(x), layer.made)
    del layer.table
    show(f(x), f(x), layer.made)
    return layer
