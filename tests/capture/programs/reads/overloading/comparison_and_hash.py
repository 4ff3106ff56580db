"""Keys with their own __eq__ and __hash__ in a dict; equality changes between calls."""

import kiln as kn
from tests.capture.show import show


class Key:
    fold = True

    def __init__(self, name):
        self.name = name

    def __eq__(self, other):
        mine, theirs = self.name, other.name
        return mine.lower() == theirs.lower() if Key.fold else mine == theirs

    def __hash__(self):
        return hash(self.name.lower())


def main(jit):
    table = {Key("A"): 2.0}

    @jit
    def f(x, key):
        return x * table.get(key, 0.0) + (key == Key("a"))

    x = kn.asarray([1.0])
    show(f(x, Key("a")), f(x, Key("a")), f(x, Key("a")))
    Key.fold = False
    show(f(x, Key("a")), f(x, Key("A")))
    table[Key("a")] = 7.0
    show(f(x, Key("a")))
