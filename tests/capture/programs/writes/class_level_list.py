"""A list of the class is appended to through the class and through self."""
# pytorch/pytorch#169253

import kiln as kn
from tests.capture.show import show


class Model(kn.nn.Module):
    items = []

    def forward(self, x):
        Model.items.append(x)
        self.items.append(x * 2)
        return x + len(self.items)


def main(jit):
    model = Model()
    f = jit(model)
    for i in range(5):
        show(f(kn.asarray([float(i)])))
    return Model.items
