"""__format__, __str__ and __repr__ of user objects inside f-strings."""

import kiln as kn
from tests.capture.show import show


class Name:
    def __init__(self, name):
        self.name = name

    def __format__(self, spec):
        return f"{self.name}:{spec}"

    def __str__(self):
        return "str-" + self.name

    def __repr__(self):
        return "repr-" + self.name


def main(jit):
    name = Name("a")

    @jit
    def f(x):
        key = f"{name} {name:>3} {name!s} {name!r} %s" % name
        return x * len(key), key

    x = kn.asarray([1.0])
    show(f(x), f(x), f(x))
    name.name = "longer"
    show(f(x))
    Name.__format__ = lambda self, spec: "F"
    show(f(x))
    del Name.__str__
    show(f(x))
