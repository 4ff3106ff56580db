"""__class__ of an object is assigned, with the same attributes under it."""

import kiln as kn
from tests.capture.show import show


class Cold:
    def act(self, x):
        return x * self.k


class Hot:
    def act(self, x):
        return x + self.k * 100


def main(jit):
    thing = Cold()
    thing.k = 2.0

    @jit
    def f(x):
        return thing.act(x)

    x = kn.asarray([1.0])
    show(f(x), f(x), f(x))
    thing.__class__ = Hot
    show(f(x))
    thing.__class__ = Cold
    show(f(x))
