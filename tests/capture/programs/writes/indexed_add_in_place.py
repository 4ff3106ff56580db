"""x[i] += y with an integer tensor as index, where indices repeat."""
# pytorch/pytorch#138908

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(index, y):
        index = index + 10
        y[index] += y[index]
        return kn.sum(y)

    for values in ([-10, -9], [-10, -9], [-10, -9], [-10, -10], [-9, -9]):
        y = kn.asarray([[1.0, 2.0], [3.0, 4.0]])
        show(f(kn.asarray(values), y), y)
