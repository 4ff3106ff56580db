"""A user's context manager that counts, and one that swallows the exception."""

import kiln as kn
from tests.capture.show import attempt


class Scope:
    def __init__(self, swallow):
        self.swallow, self.entered, self.left = swallow, 0, []

    def __enter__(self):
        self.entered += 1
        return self.entered

    def __exit__(self, kind, error, trace):
        self.left.append(kind and kind.__name__)
        return self.swallow


def main(jit):
    scope = Scope(True)

    @jit
    def f(x, n):
        with scope as count:
            x = x * count
            if n:
                raise RuntimeError("inside")
            x = x + 100
        return x

    for n in (0, 0, 0, 1, 0):
        attempt(f, kn.asarray([1.0]), n)
    scope.swallow = False
    attempt(f, kn.asarray([1.0]), 1)
    return scope
