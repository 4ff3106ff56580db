"""A parameter has a builtin's name and is what the caller says."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x, range):
        for i in range(3):
            x = x + i
        return x

    x = kn.asarray([1.0])
    for function in (range, range, range, lambda n: [n, n], lambda n: (), range):
        show(f(x, function))
