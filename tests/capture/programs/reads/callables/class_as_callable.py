"""Classes are called: __init__, __new__, and a metaclass's __call__ that counts."""

import kiln as kn
from tests.capture.show import show


class Counting(type):
    made = 0

    def __call__(cls, *args):
        Counting.made += 1
        return super().__call__(*args)


class Point(metaclass=Counting):
    def __new__(cls, *args):
        self = super().__new__(cls)
        self.tag = cls.__name__
        return self

    def __init__(self, a):
        self.a = a


def main(jit):
    @jit
    def f(x, cls):
        point = cls(x * 2)
        return point.a + Counting.made, point.tag

    x = kn.asarray([1.0])
    for _ in range(4):
        show(f(x, Point))
    Point.__init__ = lambda self, a: setattr(self, "a", a * 100)
    show(f(x, Point))
    show(f(x, type("Other", (Point,), {})))
