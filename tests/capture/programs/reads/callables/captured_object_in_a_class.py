"""Captured objects, partials and modules as class attributes are not bound; functions are."""

import functools

import kiln as kn
from tests.capture.show import show


class Add:
    def __init__(self, k):
        self.k = k

    def __call__(self, *args):
        return args[-1] + self.k + len(args)


def main(jit):
    def plain(*args):
        return args[-1] * len(args)

    class Layer:
        added = jit(Add(1.0))
        part = jit(functools.partial(plain, None))
        bound = jit(Add(2.0).__call__)
        function = jit(plain)
        relu = jit(kn.nn.ReLU())

    layer, x = Layer(), kn.asarray([1.0, -1.0])
    for k in (1.0, 1.0, 1.0, 4.0):
        Layer.added.k = k
        show(layer.added(x), layer.part(x), layer.bound(x), layer.function(x), layer.relu(x), Layer.function(x))
