"""A tensor as a default argument is written by each call, and replaced."""
# pytorch/torchdynamo#1968

import kiln as kn
from tests.capture.show import show


def main(jit):
    def plain(y, x=kn.ones((2,))):  # noqa: B008
        x += y
        return x * 2

    f = jit(plain)
    y = kn.asarray([1.0, 2.0])
    for _ in range(4):
        show(f(y), plain.__defaults__)
    show(f(y, kn.zeros((2,))), plain.__defaults__)
    plain.__defaults__ = (kn.asarray([10.0, 20.0]),)
    show(f(y), plain.__defaults__)
