"""A method is found on the second base until the first base has one too."""

import kiln as kn
from tests.capture.show import show


class First:
    pass


class Second:
    def act(self, x):
        return x + 2


class Both(First, Second):
    pass


def main(jit):
    both = Both()

    @jit
    def f(x):
        return both.act(x)

    x = kn.asarray([1.0])
    show(f(x), f(x), f(x))
    First.act = lambda self, x: x + 1
    show(f(x))
    Both.act = lambda self, x: x * 0
    show(f(x))
    del Both.act, First.act
    show(f(x))
