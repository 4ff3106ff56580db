"""Functions given as arguments, some of one code with different closures."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    def adder(k):
        return lambda x: x + k

    @jit
    def f(x, *functions):
        for function in functions:
            x = function(x)
        return x

    x = kn.asarray([1.0])
    one = adder(1.0)
    for functions in ((one,), (one,), (one,), (adder(2.0),), (one, one), (kn.exp, adder(0)), ()):
        show(f(x, *functions))
