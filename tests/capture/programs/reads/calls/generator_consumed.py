"""Generators made and consumed inside, by for, sum, next and unpacking."""
# pytorch/pytorch#176693

import kiln as kn
from tests.capture.show import show


def odd(limit):
    for v in range(limit):
        if v % 2:
            yield v * 2


def main(jit):
    @jit
    def f(x, limit):
        generator = odd(limit)
        first = next(generator)
        rest = list(generator)
        a, *b = odd(limit)
        return x + first + len(rest) * 10 + sum(odd(limit)) * 100 + a + len(b)

    for limit in (6, 6, 6, 4, 2, 9):
        show(f(kn.asarray([0.0]), limit))
