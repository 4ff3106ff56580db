"""A global function that is called is replaced."""

import kiln as kn
from tests.capture.show import show


def activation(x):
    return kn.tanh(x)


def doubled(x):
    return x * 2


def main(jit):
    global activation

    @jit
    def f(x):
        return activation(x) + 1

    x = kn.asarray([0.5, -0.5])
    old = activation
    for function in (old, old, old, doubled, old, kn.exp, abs):
        activation = function
        show(f(x))
