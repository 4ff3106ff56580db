"""partial objects and bound methods that the call makes and gives away."""

import functools

import kiln as kn
from tests.capture.show import show


class Layer:
    def __init__(self, scale):
        self.scale = scale

    def forward(self, x, bias=0.0):
        return x * self.scale + bias


def main(jit):
    @jit
    def f(x, k):
        layer = Layer(kn.sum(x) * k)
        return functools.partial(layer.forward, x, bias=k), layer.forward

    x = kn.asarray([1.0, 2.0])
    for k in (1.0, 1.0, 1.0, 2.0, -1.0):
        part, method = f(x, k)
        show(part(), method(x), part.keywords, part.args, part.func == method, method.__self__ is part.func.__self__)
