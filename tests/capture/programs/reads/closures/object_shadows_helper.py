"""A captured object's callable attribute is replaced by one with the same code and another closure."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    class Holder:
        pass

    def make(k):
        return lambda x: x * k

    holder = Holder()
    holder.function = make(1.0)

    @jit
    def f(x):
        return holder.function(x)

    x = kn.asarray([1.0, 2.0])
    for i in range(7):
        if i >= 3:
            holder.function = make(float(i))
        show(f(x))
