"""!= of objects that define == alone; then != gets a meaning of its own."""
# pytorch/pytorch#142055

import kiln as kn
from tests.capture.show import attempt


class Point:
    def __init__(self, x):
        self.x = x

    def __eq__(self, other):
        return self.x == other.x


def main(jit):
    fixed = Point(0)

    @jit
    def f(x, n):
        a, b = Point(0), Point(n)
        return x + (a != b) * 10 + (fixed != a), a == b, a is not b

    x = kn.asarray([1.0])
    for n in (0, 0, 0, 1, 0):
        attempt(f, x, n)
    fixed.x = 5
    attempt(f, x, 0)
    Point.__ne__ = lambda self, other: "unequal"
    attempt(f, x, 0)
