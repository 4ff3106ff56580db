"""Functions made in a loop share their code and differ in what they captured."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    def make(scale, offset=0.0):
        @jit
        def f(x):
            return x * scale + offset

        return f

    functions = [make(1.0), make(2.0), make(2.0, 1.0), make(3)]
    x = kn.asarray([1.0, 2.0])
    for _ in range(4):
        for f in functions:
            show(f(x))
