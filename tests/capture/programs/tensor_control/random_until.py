"""Random draws in a loop until one is accepted: the generator stands where eager leaves it."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(bound):
        tries = 0
        while True:
            x = kn.random.uniform((2,))
            tries += 1
            if kn.sum(x) > bound:
                return x, tries

    for bound in (0.5, 0.5, 0.5, 1.5, 1.0, 0.0):
        show(f(bound))
