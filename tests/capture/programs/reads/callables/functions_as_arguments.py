"""Functions are called where they are handed over: as an argument of a call, in a list, and from a branch."""
# tensorflow/tensorflow#26793

import kiln as kn
from tests.capture.show import show


def main(jit):
    state = {"calls": 0}

    def sign(x):
        state["calls"] += 1
        return kn.ones((1,)) if kn.sum(x) > 0 else -kn.ones((1,))

    def twice(v):
        return v + v

    def apply(function, v):
        return function(v)

    @jit
    def f(x, function):
        return apply(twice, sign(x)) + twice(function(x)) + [twice, sign][1](x)

    for value in (1.0, 1.0, 1.0, -1.0, -2.0, 3.0):
        show(f(kn.asarray([value]), sign), state)
    show(f(kn.asarray([1.0]), twice), f(kn.asarray([-1.0]), kn.tanh), state)
