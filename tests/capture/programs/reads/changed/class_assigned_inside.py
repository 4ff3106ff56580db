"""__class__ is assigned inside the function, on an object made there."""
# pytorch/pytorch#174050

import kiln as kn
from tests.capture.show import show


class Base:
    def __init__(self, x):
        self.x = x


class Derived(Base):
    y = 3.0


def main(jit):
    @jit
    def f(x, swap):
        thing = Base(x)
        if swap:
            thing.__class__ = Derived
        return x + getattr(thing, "y", 0.0), isinstance(thing, Derived), hasattr(thing, "y")

    for swap in (True, True, True, False, True):
        show(f(kn.asarray([1.0]), swap))
