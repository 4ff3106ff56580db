"""Two arguments that were two tensors are one, and later views of one."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x, y):
        x += 1
        y *= 2
        return x + y, x is y

    def two():
        return kn.asarray([1.0, 2.0]), kn.asarray([1.0, 2.0])

    for _ in range(3):
        show(f(*two()))
    x, _ = two()
    show(f(x, x), x)
    base = kn.asarray([1.0, 2.0, 3.0])
    show(f(base[:2], base[1:]), base)
    show(f(base[:2], base[:2]), base)
    show(f(*two()))
