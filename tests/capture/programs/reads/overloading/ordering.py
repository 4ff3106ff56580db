"""min, max and sorted over objects with __lt__, whose direction flips."""

import kiln as kn
from tests.capture.show import show


class Item:
    ascending = True

    def __init__(self, n):
        self.n = n

    def __lt__(self, other):
        return (self.n < other.n) == Item.ascending


def main(jit):
    items = [Item(3), Item(1), Item(2)]

    @jit
    def f(x):
        for item in sorted(items):
            x = x * 10 + item.n
        return x + min(items).n

    x = kn.asarray([0.0])
    show(f(x), f(x), f(x))
    Item.ascending = False
    show(f(x))
    items[0].n = 0
    show(f(x))
