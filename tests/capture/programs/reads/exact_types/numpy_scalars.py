"""NumPy scalars of several types behind one value."""
# pytorch/pytorch#130920

import numpy as np

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x, n):
        return x * n if float(n).is_integer() else x - n, type(n).__name__

    x = kn.asarray([1.0, 2.0])
    for n in (2.0, 2.0, 2.0, np.float32(2), np.float64(2), np.int8(2), np.float16(2.5), np.bool_(True), 2):
        show(f(x, n))
