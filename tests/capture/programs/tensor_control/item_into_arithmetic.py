"""x.item() into Python arithmetic and back into tensors."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x):
        n = kn.sum(x).item()
        k = int(n) % 3 + 1
        return x * n + k, [n] * k

    for value in (1.0, 1.0, 1.0, 2.0, 0.25, -7.0):
        show(f(kn.asarray([value, 1.0])))
