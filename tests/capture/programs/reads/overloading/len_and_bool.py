"""Truth by __bool__, else by __len__, else true; methods are added and removed."""

import kiln as kn
from tests.capture.show import show


class Switch:
    n = 0

    def __len__(self):
        return self.n


def main(jit):
    switch = Switch()

    @jit
    def f(x):
        return x + 1 if switch else x - 1

    x = kn.asarray([1.0])
    show(f(x), f(x), f(x))
    switch.n = 3
    show(f(x))
    Switch.__bool__ = lambda self: False
    show(f(x))
    del Switch.__bool__
    show(f(x))
    del Switch.__len__
    switch.n = 0
    show(f(x))
