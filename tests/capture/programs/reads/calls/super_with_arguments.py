"""super(Class, object) and super(Class, cls), when the class's name is rebound."""

import kiln as kn
from tests.capture.show import attempt, show


class Base:
    @classmethod
    def scale(cls):
        return cls.factor

    def bias(self):
        return 5.0


class Child(Base):
    factor = 2.0

    @classmethod
    def scale(cls):
        return super(Child, cls).scale() * 10

    def bias(self):
        return super(Child, self).bias() + 1


def main(jit):
    global Child
    child = Child()

    @jit
    def f(x):
        return x * child.scale() + child.bias()

    x = kn.asarray([1.0])
    show(f(x), f(x), f(x))
    Child.factor = 3.0
    show(f(x))
    Base.bias = lambda self: 0.0
    show(f(x))
    Child = Base
    attempt(f, x)
