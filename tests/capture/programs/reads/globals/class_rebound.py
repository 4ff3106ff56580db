"""A global class that is instantiated inside becomes another, then no class at all."""
# pytorch/pytorch#119715

import kiln as kn
from tests.capture.show import attempt


class Holder:
    def __init__(self, x):
        self.x = x


class Doubler:
    def __init__(self, x):
        self.x = x * 2


def main(jit):
    global Holder

    @jit
    def f(x):
        held = Holder(5)
        return x + held.x

    x = kn.asarray([1.0])
    old = Holder
    for cls in (old, old, old, Doubler, old, 5):
        Holder = cls
        attempt(f, x)
