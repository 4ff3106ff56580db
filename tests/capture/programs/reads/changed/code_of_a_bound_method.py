"""__code__ of a function that is reached as a bound method is assigned."""
# pytorch/pytorch#197860

import kiln as kn
from tests.capture.show import show


def first(self, x):
    return x * 2


def second(self, x):
    return x * 9


class Model:
    m = first


def main(jit):
    model = Model()
    f = jit(lambda x: model.m(x))
    x = kn.asarray([1.0, 2.0])
    show(f(x), f(x), f(x))
    Model.m.__code__ = second.__code__
    show(f(x))
