"""A number of a class changes at each call, is read through a subclass and an instance, and is hidden by either."""

import kiln as kn
from tests.capture.show import show


class Base:
    steps = 0
    scale = 1.5


class Derived(Base):
    pass


def main(jit):
    one = Derived()

    @jit
    def f(x):
        return x * Derived.steps + one.steps * 10 + Base.scale * 100

    x = kn.asarray([1.0])
    for steps in (0, 0, 0, 1, 2, 3, 4):
        Base.steps = steps
        show(f(x))
    Derived.steps = 50
    show(f(x), f(x))
    one.steps = 7
    show(f(x))
    del Derived.steps
    show(f(x))
    Base.steps = property(lambda self: 1000)
    one.__dict__.clear()
    Derived.steps = 2.0
    show(f(x))
    Base.steps = True
    Base.scale = 2
    show(f(x))
