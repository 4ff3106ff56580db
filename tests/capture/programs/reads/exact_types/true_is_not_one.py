"""True, 1, 1.0 and IntEnum(1) are equal and not the same argument."""

import enum

import numpy as np

import kiln as kn
from tests.capture.show import show


class One(enum.IntEnum):
    ONE = 1


def main(jit):
    @jit
    def f(x, n):
        return x + n, type(n).__name__, str(n), n is True

    x = kn.asarray([1, 2])
    for n in (1, 1, 1, True, One.ONE, 1.0, 1, True, np.int64(1), 2):
        show(f(x, n))
