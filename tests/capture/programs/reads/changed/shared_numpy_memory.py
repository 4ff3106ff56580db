"""A tensor that shares memory with a NumPy array, which is written between calls."""
# jax-ml/jax#37830

import numpy as np

import kiln as kn
from tests.capture.show import show


def main(jit):
    array = np.arange(100, dtype=np.float32)
    shared = kn.asarray(array, copy=False)

    @jit
    def f(x):
        return kn.sum(x * shared[:3]), shared[99] + 1

    x = kn.asarray([1.0, 10.0, 100.0])
    show(f(x), f(x), f(x))
    array[1] = -1.0
    show(f(x))
    array[99] = 0.5
    show(f(x))
