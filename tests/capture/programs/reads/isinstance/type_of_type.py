"""type(a) is type(b), type names as keys, and a class made anew with the same name."""

import kiln as kn
from tests.capture.show import show


def make():
    class Same:
        scale = 2.0

    return Same


def main(jit):
    first = make()

    @jit
    def f(x, a, b):
        names = {"Same": 10.0, "int": 20.0}
        return x * (1.0 if type(a) is type(b) else 3.0) + names.get(type(a).__name__, 0.0)

    x = kn.asarray([1.0])
    show(f(x, first(), first()), f(x, first(), first()), f(x, first(), first()))
    show(f(x, first(), make()()), f(x, 1, True), f(x, 1, 2), f(x, make(), first))
