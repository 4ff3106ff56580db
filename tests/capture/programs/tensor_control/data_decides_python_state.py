"""A value read from a tensor becomes Python state that the next call reads."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    scale = 1.0

    @jit
    def f(x):
        nonlocal scale
        y = x * scale
        scale = min(2.0, 1.0 / float(kn.max(kn.abs(y))))
        return y

    for value in (1.0, 1.0, 4.0, 0.1, 0.1, 3.0, 3.0, 0.1, 5.0, 0.2, 2.0, 0.1):
        show(f(kn.asarray([value, 0.5])), scale)
