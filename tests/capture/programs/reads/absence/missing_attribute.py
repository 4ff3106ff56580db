"""hasattr is false until the class or a base gets the attribute."""
# pytorch/pytorch#111522

import kiln as kn
from tests.capture.show import show


class Base:
    pass


class Layer(Base):
    a = 2.0


def main(jit):
    @jit
    def f(x, layer):
        y = x + layer.a if hasattr(layer, "a") else x - 1
        return y * 10 if hasattr(layer, "extra") else y

    x = kn.asarray([1.0])
    layer = Layer()
    show(f(x, layer), f(x, layer), f(x, layer))
    Base.extra = True
    show(f(x, layer))
    del Layer.a
    show(f(x, layer))
    layer.a = 7.0
    show(f(x, layer))
    del Base.extra
    show(f(x, layer))
