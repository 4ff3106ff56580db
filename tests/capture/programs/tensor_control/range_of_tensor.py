"""range over an integer tensor's value."""

import kiln as kn
from tests.capture.show import attempt, show


def main(jit):
    @jit
    def f(x, n):
        for i in range(n):
            x = x * 2 + i
        return x

    for n in (3, 3, 3, 0, 5, 1):
        show(f(kn.asarray([1.0]), kn.asarray(n)))
    attempt(f, kn.asarray([1.0]), kn.asarray(2.0))
