"""random draws in the middle: other numbers at each call, the state where eager leaves it."""
# pytorch/pytorch#145445

import random

import kiln as kn
from tests.capture.show import show


def main(jit):
    own = random.Random(7)

    @jit
    def f(x):
        y = x * random.random()
        y = y + own.randint(1, 100)
        return y if random.random() < 0.5 else -y

    for i in range(7):
        if i == 5:
            random.seed(3)
        show(f(kn.asarray([1.0, 2.0])))
    return own
