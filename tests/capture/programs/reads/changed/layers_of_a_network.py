"""Layers of a Sequential are replaced, removed and made the same object."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    net = kn.nn.Sequential(kn.nn.Tanh(), kn.nn.ReLU())
    f = jit(net)
    x = kn.asarray([-1.0, 2.0])
    show(f(x), f(x), f(x))
    net.add_module("0", kn.nn.Sigmoid())
    show(f(x))
    net.add_module("2", kn.nn.Flatten(0))
    show(f(x))
    del net._modules["1"]
    show(f(x))
