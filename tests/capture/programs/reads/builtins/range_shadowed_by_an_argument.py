"""A parameter has a builtin's name and is what the caller says."""

from tests.capture.show import show

import kiln as kn


def main(jit):
    @jit
    def f(x, range):
        for i in range(3):
            x = x + i
        return x

    x = kn.asarray([1.0])
    for function in (range, range, range, lambda n: [n, n], lambda n: (), range):
        show(f(x, function))
