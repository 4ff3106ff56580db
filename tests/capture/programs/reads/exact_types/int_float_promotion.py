"""An int that becomes a float of the same value changes the result's dtype."""

import numpy as np

import kiln as kn
from tests.capture.show import attempt


def main(jit):
    scale = 2

    @jit
    def f(x):
        return x * scale

    x = kn.asarray([1, 2])
    for value in (2, 2, 2, 2.0, True, 2, np.float32(2.0), np.float64(2.0), kn.asarray(2), kn.asarray(2.0), 2j):
        scale = value
        attempt(f, x)
