"""Attributes in slots, one of them unset at times."""

import kiln as kn
from tests.capture.show import attempt, show


class Point:
    __slots__ = ("a", "b")


def main(jit):
    point = Point()
    point.a = 1.0

    @jit
    def f(x):
        return x * point.a + (point.b if hasattr(point, "b") else 0.0)

    x = kn.asarray([1.0])
    show(f(x), f(x), f(x))
    point.a = 2.0
    show(f(x))
    point.b = 5.0
    show(f(x))
    del point.b
    show(f(x))
    del point.a
    attempt(f, x)
