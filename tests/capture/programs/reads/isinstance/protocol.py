"""A runtime-checkable protocol looks at attributes that an object gains."""

from typing import Protocol, runtime_checkable

import kiln as kn
from tests.capture.show import show


@runtime_checkable
class HasScale(Protocol):
    scale: float


class Layer:
    pass


def main(jit):
    layer = Layer()

    @jit
    def f(x):
        return x * layer.scale if isinstance(layer, HasScale) else x

    x = kn.asarray([1.0])
    show(f(x), f(x), f(x))
    layer.scale = 3.0
    show(f(x))
    del layer.scale
    show(f(x))
