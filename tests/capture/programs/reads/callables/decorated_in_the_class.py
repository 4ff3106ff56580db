"""A method decorated in the class body, called on several objects and through the class."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    class Model:
        def __init__(self, scale):
            self.scale = scale

        @jit
        def forward(self, x):
            "Scales."
            return x * self.scale

    first, second = Model(2.0), Model(3.0)
    x = kn.asarray([1.0])
    for _ in range(3):
        show(first.forward(x), second.forward(x))
    first.scale = 5.0
    show(first.forward(x), Model.forward(second, x), Model.forward.__doc__, first.forward.__name__)
    show(first.forward.__self__ is first, first.forward == first.forward)
