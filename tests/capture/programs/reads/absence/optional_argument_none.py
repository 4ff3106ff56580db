"""None and a tensor take turns as an optional argument."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x, mask=None):
        return x if mask is None else x * mask

    x, mask = kn.asarray([1.0, 2.0]), kn.asarray([0.0, 1.0])
    for argument in (None, None, None, mask, None, mask, kn.asarray([True, False])):
        show(f(x, argument))
    show(f(x), f(x, mask=mask), f(x, mask * 3))
