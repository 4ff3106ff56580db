"""Strings with % and objects, whose __str__ and __repr__ change."""

import kiln as kn
from tests.capture.show import show


class Name:
    def __init__(self, text):
        self.text = text

    def __str__(self):
        return self.text

    def __repr__(self):
        return f"<{self.text}>"


def main(jit):
    name = Name("ab")

    @jit
    def f(x, n):
        key = "%s|%5.1s|%r|%03d%%" % (name, name, name, n) + "%(who)s" % {"who": name}
        return x * len(key), key

    x = kn.asarray([1.0])
    show(f(x, 7), f(x, 7), f(x, 7), f(x, 1234))
    name.text = "longer"
    show(f(x, 7))
    Name.__repr__ = lambda self: "R"
    show(f(x, 7))
    Name.__str__ = lambda self: "S" * 9
    show(f(x, 7))
