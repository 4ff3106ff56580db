"""A sentinel default is compared by identity; equal objects are not it."""

import kiln as kn
from tests.capture.show import show


class Missing:
    def __eq__(self, other):
        return True

    __hash__ = None


MISSING = Missing()


def main(jit):
    @jit
    def f(x, value=MISSING):
        return x if value is MISSING else x * 2

    x = kn.asarray([1.0])
    show(f(x), f(x), f(x))
    show(f(x, Missing()), f(x, None), f(x, MISSING), f(x, 0), f(x, Missing()))
