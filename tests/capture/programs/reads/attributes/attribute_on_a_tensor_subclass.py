"""A tensor subclass with an attribute and a method of its own, which change."""
# pytorch/pytorch#176679

import kiln as kn
from tests.capture.show import attempt, show


class Scaled(kn.Tensor):
    factor = 2.0

    def doubled(self):
        return self * self.factor


def main(jit):
    @jit
    def f(x, y):
        return x.doubled() + y, type(x).__name__, isinstance(y, Scaled)

    x, y = Scaled(kn.asarray([1.0, 2.0])), kn.asarray([1.0, 1.0])
    show(f(x, y), f(x, y), f(x, y))
    Scaled.factor = 3.0
    show(f(x, y), f(x, x))
    x.factor = 7.0
    show(f(x, y))
    attempt(f, y, y)
