"""A name that does not exist is looked up at each call, until builtins has it."""

import builtins

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x):
        try:
            return x * special_factor
        except NameError:
            return x

    x = kn.asarray([3.0])
    for i in range(8):
        if i == 4:
            builtins.special_factor = 2.0
        if i == 6:
            del builtins.special_factor
        show(f(x))
