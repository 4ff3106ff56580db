"""Exceptions of operators are caught inside, and what was in flight goes on."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x, y):
        z = x * 2
        try:
            z = z + y
        except ValueError as error:
            return z, str(error)
        except TypeError:
            z = z - 1
        return z, None

    x = kn.asarray([1.0, 2.0])
    for y in (x, x, x, kn.ones((3,)), "text", None, x):
        show(f(x, y))
