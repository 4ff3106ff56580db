"""Matrix products and a transposed operand over changing batch sizes."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    w = kn.reshape(kn.arange(6, dtype=kn.float32), (2, 3))

    @jit
    def f(x):
        h = x @ w
        return kn.softmax(h @ w.T, axis=1) if len(x) > 1 else h

    for n in (2, 2, 2, 3, 1, 4, 0):
        show(f(kn.ones((n, 2)) * 0.1))
