"""Newton's square root until it stands still."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(a):
        x, steps = a, 0
        while True:
            better = (x + a / x) / 2
            steps += 1
            if kn.abs(better - x) <= 1e-6 * better:
                return better, steps
            x = better

    for value in (2.0, 2.0, 2.0, 9.0, 1e6, 1e-3, 1.0):
        show(f(kn.asarray(value)))
