"""The order of an OrderedDict changes between calls, and nothing else of it: by move_to_end, and back."""

import collections

import kiln as kn
from tests.capture.show import show


def main(jit):
    table = collections.OrderedDict(a=1.0, b=2.0, c=3.0)

    @jit
    def f(x):
        for value in table.values():
            x = x * 2 + value
        return x, next(iter(table))

    x = kn.asarray([0.0])
    show(f(x), f(x), f(x))
    for key, last in (("a", True), ("c", False), ("a", False), ("b", True), ("c", True)):
        table.move_to_end(key, last)
        show(f(x), f(x))
