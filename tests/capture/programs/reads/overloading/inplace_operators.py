"""+= by __iadd__ where there is one, else by __add__; the class gets one later."""

import kiln as kn
from tests.capture.show import show


class Total:
    def __init__(self, value):
        self.value = value

    def __add__(self, other):
        return Total(self.value + other)


def main(jit):
    total = Total(0.0)

    @jit
    def f(x):
        local = total
        local += x
        return local.value, local is total

    x = kn.asarray([1.0])
    show(f(x), f(x), f(x))

    def iadd(self, other):
        self.value = self.value + other
        return self

    Total.__iadd__ = iadd
    show(f(x), f(x))
    Total.__iadd__ = lambda self, other: NotImplemented
    show(f(x))
    return total
