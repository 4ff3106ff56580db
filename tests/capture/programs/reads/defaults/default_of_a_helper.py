"""The defaults of a helper that is called inside are assigned."""
# pytorch/pytorch#178365

import kiln as kn
from tests.capture.show import attempt, show


def shifted(x, offset=1.0):
    return x + offset


def main(jit):
    @jit
    def f(x):
        return shifted(x) * 2

    x = kn.asarray([1.0])
    show(f(x), f(x), f(x))
    shifted.__defaults__ = (5.0,)
    show(f(x))
    shifted.__defaults__ = (kn.asarray([6.0]),)
    show(f(x))
    shifted.__defaults__ = ()
    attempt(f, x)
