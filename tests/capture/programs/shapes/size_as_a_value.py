"""Sizes enter computations as numbers, keys and strings."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    table = {2: 10.0, 3: 20.0}

    @jit
    def f(x):
        return x * table.get(x.shape[0], 0.0) + len(str(x.shape)), f"{x.shape}", x.numel()

    for n in (2, 2, 2, 3, 4, 10, 2):
        show(f(kn.ones((n,))))
