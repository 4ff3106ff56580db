"""Static and class methods, found on the instance, replaced on the class."""

import kiln as kn
from tests.capture.show import show


class Scaler:
    factor = 2.0

    @staticmethod
    def shift(x):
        return x + 1

    @classmethod
    def scale(cls, x):
        return x * cls.factor


class Larger(Scaler):
    factor = 5.0


def main(jit):
    @jit
    def f(x, scaler):
        return scaler.scale(scaler.shift(x))

    x = kn.asarray([1.0])
    for scaler in (Scaler(), Scaler(), Scaler(), Larger(), Larger, Scaler):
        show(f(x, scaler))
    Scaler.shift = staticmethod(lambda x: x - 1)
    Larger.factor = 7.0
    show(f(x, Scaler()), f(x, Larger()))
    Larger.scale = classmethod(lambda cls, x: x)
    show(f(x, Larger()))
