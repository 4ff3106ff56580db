"""Slices, steps and reshapes of one tensor are written and read in turn."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x, n):
        head, tail, flat = x[0], x[1:], kn.reshape(x, (-1,))
        head += n
        tail[:, ::2] = head[::2]
        flat[1:3] *= -1
        x[x > 5] = 0.0
        return x, flat, head * 1

    for n in (1.0, 1.0, 1.0, 2.0, -3.0):
        x = kn.asarray([[1.0, 2.0], [3.0, 4.0]])
        show(f(x, n), x)
