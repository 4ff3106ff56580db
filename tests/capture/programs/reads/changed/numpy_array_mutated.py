"""A captured NumPy array is written between calls, in part and through a view."""

import numpy as np

import kiln as kn
from tests.capture.show import show


def main(jit):
    table = np.array([1.0, 2.0], np.float32)

    @jit
    def f(x):
        return x * table + kn.asarray(table)[0] * 10 + float(table[1]) * 100

    x = kn.asarray([1.0, 1.0])
    show(f(x), f(x), f(x))
    table[0] = 5.0
    show(f(x))
    table[::-1][:1] = 7.0
    show(f(x))
    table.resize((2,), refcheck=False)
    table.dtype = np.int32
    show(f(x))
