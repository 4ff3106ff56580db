"""A decorated generator function: it runs when it is iterated, with state changed in between."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    scale = 1.0

    @jit
    def f(x):
        for i in range(3):
            x = x * scale + i
            yield x

    for value in (1.0, 1.0, 2.0):
        seen = []
        for y in f(kn.asarray([1.0])):
            seen.append(y)
            scale += value
        show(seen, scale)
    return scale
