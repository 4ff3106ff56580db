"""NumPy works on the values in between, with its own generator and in-place writes."""

import numpy as np

import kiln as kn
from tests.capture.show import show


def main(jit):
    generator = np.random.default_rng(1)

    @jit
    def f(x):
        y = x * 2
        array = np.array(y.numpy())
        array += generator.standard_normal(2).astype(np.float32)
        np.clip(array, -1, 1, out=array)
        return kn.asarray(array) + y, np.linalg.norm(array) > 1

    for i in range(6):
        show(f(kn.asarray([0.1, 0.2 * i])))
    return generator
