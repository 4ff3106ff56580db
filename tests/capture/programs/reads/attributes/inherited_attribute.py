"""An attribute of a base of a base is changed, shadowed in between, and unshadowed."""

import kiln as kn
from tests.capture.show import show


class Base:
    scale = 1.0


class Middle(Base):
    pass


class Leaf(Middle):
    pass


def main(jit):
    leaf = Leaf()

    @jit
    def f(x):
        return x * leaf.scale

    x = kn.asarray([1.0])
    show(f(x), f(x), f(x))
    Base.scale = 2.0
    show(f(x))
    Middle.scale = 3.0
    show(f(x))
    Leaf.scale = 4.0
    show(f(x))
    leaf.scale = 5.0
    show(f(x))
    del leaf.scale, Leaf.scale, Middle.scale
    show(f(x))
