"""Errors of operators: bad shapes, dtypes, axes; the line is the user's."""

import kiln as kn
from tests.capture.show import attempt


def main(jit):
    @jit
    def f(x, y, axis):
        z = x + 1
        z = z @ y
        return kn.sum(z, axis=axis)

    x, y = kn.ones((2, 3)), kn.ones((3, 2))
    for y_, axis in ((y, 0), (y, 0), (y, 0), (x, 0), (y, 5), (y, "a"), (y, 1), ("text", 0)):
        attempt(f, x, y_, axis)
