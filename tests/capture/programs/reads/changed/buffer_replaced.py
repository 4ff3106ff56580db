"""A buffer is written at an index by the function and replaced by the caller."""
# pytorch/pytorch#115774

import kiln as kn
from tests.capture.show import show


class Model(kn.nn.Module):
    def __init__(self):
        super().__init__()
        self.cache = kn.asarray([0.0, 0.0])

    def forward(self, x, position):
        self.cache[position] = x
        return self.cache


def main(jit):
    model = Model()
    f = jit(model)
    for i in range(4):
        show(f(float(i), i % 2))
    model.cache = kn.asarray([0.0, 0.0])
    show(f(1.0, 1))
    model.cache = kn.asarray([0.0, 0.0, 7.0])
    show(f(2.0, 2), model.cache)
