"""print before, between and after operators, of shapes and of values."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x, n):
        print("start", n)
        y = x * n
        print("middle", y.shape)
        z = y + 1
        print("end", z.tolist())
        return z

    for n in (1, 1, 1, 2, 3):
        show(f(kn.asarray([1.0, 2.0]), n))
