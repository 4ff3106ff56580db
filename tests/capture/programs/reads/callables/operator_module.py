"""itemgetter, attrgetter and methodcaller from the operator module."""

import operator

import kiln as kn
from tests.capture.show import show


class Options:
    scale = 2.0


def main(jit):
    table = {"a": 1.0, "b": 2.0}
    pick, scale, summed = operator.itemgetter("a", "b"), operator.attrgetter("scale"), operator.methodcaller("sum")

    @jit
    def f(x):
        a, b = pick(table)
        return operator.add(summed(x) * a, b) * scale(Options)

    x = kn.asarray([1.0, 2.0])
    show(f(x), f(x), f(x))
    table["b"] = 5.0
    show(f(x))
    Options.scale = 3.0
    show(f(x))
