"""A dict subclass with __missing__, whose answer changes."""

import kiln as kn
from tests.capture.show import show


class Table(dict):
    fallback = 1.0

    def __missing__(self, key):
        return self.fallback * len(key)


def main(jit):
    table = Table(a=10.0)

    @jit
    def f(x, key):
        return x * table[key]

    x = kn.asarray([1.0])
    for key in ("a", "a", "a", "bb", "bb", "ccc"):
        show(f(x, key))
    table["bb"] = 0.5
    Table.fallback = 3.0
    show(f(x, "bb"), f(x, "ccc"))
