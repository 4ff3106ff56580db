"""User operators, properties and conversions that raise."""

import kiln as kn
from tests.capture.show import attempt


class Fragile:
    broken = None

    def __mul__(self, x):
        if self.broken == "mul":
            raise ArithmeticError("mul")
        return x * 2

    @property
    def bias(self):
        if self.broken == "bias":
            raise AttributeError("inner")
        return 1.0

    def __bool__(self):
        if self.broken == "bool":
            raise ValueError("bool")
        return True


def main(jit):
    fragile = Fragile()

    @jit
    def f(x):
        y = fragile * x
        return y + fragile.bias if fragile else -y

    for broken in (None, None, None, "mul", "bias", "bool", None):
        Fragile.broken = broken
        attempt(f, kn.asarray([1.0]))
