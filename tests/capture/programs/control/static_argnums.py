"""Arguments named static by number, given by position and by name."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit(static_argnums=(1,))
    def f(x, n, scale=1.0):
        for _ in range(n):
            x = x * scale + 1
        return x

    x = kn.asarray([1.0])
    for n, scale in ((2, 1.0), (2, 1.0), (2, 1.0), (3, 1.0), (3, 2.0), (2, 2.0)):
        show(f(x, n, scale), f(x, n=n, scale=scale), f(x, scale=scale, n=n))
