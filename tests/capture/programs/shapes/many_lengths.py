"""One function over many lengths, 0 and 1 among them."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x):
        return kn.exp(x) / kn.sum(kn.exp(x)) + x.shape[0]

    for n in (3, 3, 3, 4, 5, 1, 0, 7, 2, 3, 16, 17):
        show(f(kn.arange(n, dtype=kn.float32)))
