"""`in` by __contains__, by __iter__, by __getitem__; whichever there is."""

import kiln as kn
from tests.capture.show import attempt, show


class Bag:
    def __init__(self, *items):
        self.items = items

    def __getitem__(self, i):
        return self.items[i]


def main(jit):
    bag = Bag(1, 2, 3)

    @jit
    def f(x):
        for item in bag:
            x = x * 2 + item
        return x + (2 in bag) * 1000

    x = kn.asarray([0.0])
    show(f(x), f(x), f(x))
    bag.items = (5, 6)
    show(f(x))
    Bag.__iter__ = lambda self: iter((2,))
    show(f(x))
    Bag.__contains__ = lambda self, item: item == 99
    show(f(x))
    Bag.__contains__ = None
    attempt(f, x)
