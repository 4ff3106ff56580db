"""Two captured tensors change places by tuple assignment in the function."""

import kiln as kn
from tests.capture.show import show


class Buffers:
    pass


def main(jit):
    buffers = Buffers()
    buffers.front, buffers.back = kn.asarray([1.0, 2.0]), kn.asarray([0.0, 0.0])
    first = buffers.front

    @jit
    def f(x):
        buffers.back[...] = buffers.front * 2 + x
        buffers.front, buffers.back = buffers.back, buffers.front
        return buffers.front + 1

    for i in range(6):
        show(f(kn.asarray([1.0, 1.0])), buffers.front is first)
    return buffers
