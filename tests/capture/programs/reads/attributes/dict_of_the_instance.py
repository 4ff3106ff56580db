"""vars(object) is read, replaced and written."""
# pytorch/pytorch#106125

import kiln as kn
from tests.capture.show import show


class Bag:
    pass


def main(jit):
    bag = Bag()
    bag.a = 1.0

    @jit
    def f(x):
        for name, value in vars(bag).items():
            x = x * value + len(name)
        return x

    x = kn.asarray([1.0])
    show(f(x), f(x), f(x))
    bag.__dict__["bb"] = 3.0
    show(f(x))
    bag.__dict__ = {"ccc": 5.0}
    show(f(x))
    bag.__dict__.clear()
    show(f(x))
