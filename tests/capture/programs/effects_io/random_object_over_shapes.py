"""A random.Random of the program's own is drawn from over changing shapes."""
# pytorch/pytorch#196437

import random

import kiln as kn
from tests.capture.show import show


def main(jit):
    rng = random.Random(0)

    @jit(dynamic=True)
    def f(x):
        return x + rng.randint(1, 100)

    for shape in ((1,), (1, 5), (2, 2), (2, 3), (2, 2), (1,), (1,), (1,)):
        show(f(kn.zeros(shape)))
    return rng
