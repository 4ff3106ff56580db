"""__bases__ is assigned, so that an inherited method is another."""

import kiln as kn
from tests.capture.show import show


class One:
    def act(self, x):
        return x + 1


class Two:
    def act(self, x):
        return x + 2


class Child(One):
    pass


def main(jit):
    child = Child()

    @jit
    def f(x):
        return child.act(x)

    x = kn.asarray([1.0])
    show(f(x), f(x), f(x))
    Child.__bases__ = (Two,)
    show(f(x))
    Two.act = One.act
    show(f(x))
