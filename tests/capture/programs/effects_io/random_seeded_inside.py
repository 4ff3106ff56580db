"""seeding inside the function: every call draws the same, also the first."""
# pytorch/pytorch#197101

import random

import numpy as np

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x, seed):
        random.seed(seed)
        np.random.seed(seed)
        kn.manual_seed(seed)
        return x * random.random() + kn.random.uniform((2,)) + float(np.random.rand())

    for seed in (0, 0, 0, 1, 0, 2):
        show(f(kn.asarray([1.0, 2.0]), seed))
