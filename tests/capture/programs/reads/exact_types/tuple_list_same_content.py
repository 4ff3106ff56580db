"""A list, a tuple, a named tuple and a subclass with equal content."""

import collections

import kiln as kn
from tests.capture.show import attempt, show

Pair = collections.namedtuple("Pair", "a b")


class Reversed(list):
    def __iter__(self):
        return iter(self[::-1])


def main(jit):
    @jit
    def f(x, pair):
        a, b = pair
        return x * a + b, type(pair).__name__, pair + type(pair)(*[()] if not isinstance(pair, Pair) else (1, 2))

    x = kn.asarray([1.0])
    for pair in ((1, 2), (1, 2), (1, 2), [1, 2], Pair(1, 2), Reversed([1, 2]), (1, 2)):
        attempt(f, x, pair)
    show(f(x, (2, 1)))
