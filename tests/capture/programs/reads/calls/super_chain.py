"""super() along a diamond, with a base's method replaced between calls."""

import kiln as kn
from tests.capture.show import show


class Base:
    def forward(self, x):
        return x + 1


class Left(Base):
    def forward(self, x):
        return super().forward(x) * 2


class Right(Base):
    def forward(self, x):
        return super().forward(x) * 3


class Both(Left, Right):
    def forward(self, x):
        return super().forward(x) - 1


def main(jit):
    both = Both()

    @jit
    def f(x):
        return both.forward(x)

    x = kn.asarray([1.0])
    show(f(x), f(x), f(x))
    Right.forward = lambda self, x: x * 100
    show(f(x))
    Both.__bases__ = (Right, Left)
    show(f(x))
