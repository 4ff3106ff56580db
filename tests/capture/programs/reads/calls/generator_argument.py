"""A generator that is an argument is consumed a little by each call."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    def numbers():
        n = 0.0
        while True:
            n += 1
            yield n

    source = numbers()

    @jit
    def f(x, source):
        return x * next(source) + next(source)

    for _ in range(6):
        show(f(kn.asarray([1.0]), source))
    show(next(source))
