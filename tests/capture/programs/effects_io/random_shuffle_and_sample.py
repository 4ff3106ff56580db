"""shuffle, sample and choices change their arguments and advance the generator."""
# pytorch/pytorch#197085

import random

import kiln as kn
from tests.capture.show import show


def main(jit):
    order = [0, 1, 2, 3]

    @jit
    def f(x):
        random.shuffle(order)
        a, b = random.sample(range(10), 2)
        (c,) = random.choices([1.0, 2.0, 3.0], weights=[1, 2, 3])
        return x[order[0]] * c + a * 10 + b

    for _ in range(6):
        show(f(kn.asarray([1.0, 2.0, 3.0, 4.0])), order)
