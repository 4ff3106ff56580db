"""issubclass after a class's bases were assigned."""

import kiln as kn
from tests.capture.show import show


class A:
    pass


class B:
    pass


class C(A):
    pass


def main(jit):
    @jit
    def f(x, cls):
        return x + issubclass(cls, A) * 10 + issubclass(cls, B) * 100 + (C.__mro__[1] is B)

    x = kn.asarray([1.0])
    show(f(x, C), f(x, C), f(x, C))
    C.__bases__ = (B,)
    show(f(x, C))
    C.__bases__ = (B, A)
    show(f(x, C))
