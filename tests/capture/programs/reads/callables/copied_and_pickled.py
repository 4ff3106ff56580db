"""A captured function is copied as itself; a captured object is copied with its content."""

import copy

import kiln as kn
from tests.capture.show import show


class Scale:
    def __init__(self, k):
        self.k = k

    def __call__(self, x):
        return x * self.k

    def apply(self, x):
        return x + self.k


def main(jit):
    def plain(x):
        return x * 2

    f = jit(plain)
    show(copy.copy(f) is f, copy.deepcopy([f, f])[1] is f)
    scale = Scale(2.0)
    held = {"scale": scale, "call": jit(scale), "method": jit(scale.apply)}
    twin = copy.deepcopy(held)
    x = kn.asarray([1.0])
    for k in (2.0, 2.0, 2.0, 5.0):
        scale.k = k
        show(held["call"](x), held["method"](x), twin["call"](x), twin["method"](x), f(x * k))
    twin["scale"].k = 9.0
    show(held["call"](x), twin["call"](x), twin["method"](x))
