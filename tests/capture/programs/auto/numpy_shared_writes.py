"""NumPy writes into shared memory between operators on it."""

import numpy as np

import kiln as kn
from tests.capture.show import show


def main(jit):
    array = np.zeros(4, np.float32)
    shared = kn.asarray(array, copy=False)
    total = kn.zeros((4,))
    for i in range(80):
        array[i % 4] += i
        total = total + shared * 0.5
        if i % 20 == 19:
            shared *= 0.25
            show(total, array)
