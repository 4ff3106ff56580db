"""Less usual operators: @, **, <<, ~, divmod, round and abs on a user class."""

import kiln as kn
from tests.capture.show import show


class Op:
    def __init__(self, k):
        self.k = k

    def __matmul__(self, x):
        return x * self.k

    def __pow__(self, n, modulo=None):
        return Op(self.k**n)

    def __lshift__(self, n):
        return Op(self.k + n)

    def __invert__(self):
        return Op(-self.k)

    def __divmod__(self, n):
        return divmod(self.k, n)

    def __round__(self, digits=None):
        return Op(round(self.k, digits))


def main(jit):
    @jit
    def f(x, op):
        q, r = divmod(op, 3)
        return (op**2 << 1) @ x + (~round(op)) @ x + q * 100 + r

    for k in (2, 2, 2, 5, -1, 2.6):
        show(f(kn.asarray([1.0, 2.0]), Op(k)))
