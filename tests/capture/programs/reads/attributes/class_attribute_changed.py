"""A class attribute that is read through the class changes."""
# pytorch/pytorch#176851

import kiln as kn
from tests.capture.show import show


class State:
    factor = 1.0


def main(jit):
    @jit
    def f(x):
        return x * State.factor

    x = kn.asarray([4.0])
    for factor in (1.0, 1.0, 1.0, 10.0, True, 1.0):
        State.factor = factor
        show(f(x))
