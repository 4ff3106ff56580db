"""A default of None stands for something computed at each call."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    sizes = [2]

    @jit
    def f(x, size=None):
        size = sizes[0] if size is None else size
        return kn.sum(kn.ones((size,)) * x)

    x = kn.asarray(1.5)
    show(f(x), f(x), f(x))
    sizes[0] = 4
    show(f(x), f(x, 3), f(x, 0))
    sizes[0] = 5
    show(f(x))
