"""Contiguous, transposed and strided inputs of one shape."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x):
        y = x + 1
        return y, x.is_contiguous(), kn.sum(x, axis=0)

    base = kn.reshape(kn.arange(16, dtype=kn.float32), (4, 4))
    block = base[:2, :2]
    for x in (block, block, kn.copy(block), block.T, base[::2, ::3], base[2:, 2:], kn.broadcast_to(base[0, :2], (2, 2))):
        show(f(x))
