"""class, static and property methods, decorated above and below the capture."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    class Layer:
        k = 2.0

        @jit
        @classmethod
        def outer_class(cls, x):
            return x * cls.k

        @classmethod
        @jit
        def inner_class(cls, x):
            return x + cls.k

        @jit
        @staticmethod
        def outer_static(x):
            return x * 3

        @staticmethod
        @jit
        def inner_static(x):
            return x * 4

        @jit
        @property
        def doubled(self):
            return self.w * 2

        @property
        @jit
        def negated(self):
            return -self.w

    class Child(Layer):
        k = 5.0

    layer, x = Child(), kn.asarray([1.0])
    for i in range(6):
        layer.w = kn.asarray([float(i // 3)])
        if i == 4:
            Child.k = 7.0
        show(layer.outer_class(x), Layer.outer_class(x), layer.inner_class(x), Child.inner_class(x))
        show(layer.outer_static(x), Child.outer_static(x), layer.inner_static(x), layer.doubled, layer.negated)
