"""super() asks a base that loses its method, gains one, and is replaced."""

import kiln as kn
from tests.capture.show import attempt, show


class Root:
    def act(self, x):
        return x + 1


class Middle(Root):
    pass


class Leaf(Middle):
    def act(self, x):
        return super().act(x) * 2


class Elsewhere(Root):
    def act(self, x):
        return x - 50


def main(jit):
    leaf = Leaf()

    @jit
    def f(x):
        return leaf.act(x)

    x = kn.asarray([1.0])
    for _ in range(5):
        attempt(f, x)
    Middle.act = lambda self, x: x * 10
    for _ in range(4):
        attempt(f, x)
    del Middle.act
    attempt(f, x)
    Root.act = lambda self, x: x * 7
    attempt(f, x)
    Leaf.__bases__ = (Elsewhere,)
    show(f(x), f(x))
    del Root.act
    Leaf.__bases__ = (Middle,)
    attempt(f, x)
