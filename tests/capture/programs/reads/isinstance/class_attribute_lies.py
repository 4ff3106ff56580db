"""__class__ as a property makes isinstance say yes; type() does not believe it."""
# pytorch/pytorch#174050

import kiln as kn
from tests.capture.show import show


class Real:
    pass


class Liar:
    claims = object

    @property
    def __class__(self):
        return self.claims


def main(jit):
    liar = Liar()

    @jit
    def f(x):
        return x + isinstance(liar, Real) * 10 + (type(liar) is Real) * 100

    x = kn.asarray([1.0])
    show(f(x), f(x), f(x))
    Liar.claims = Real
    show(f(x))
    Liar.claims = int
    show(f(x))
