"""Sets that the call makes, by union, difference and pop, are given away: their members come in the order of how they were made."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x, a, b):
        both, left = a | b, a - b
        grown = set(a)
        for v in b:
            grown.add(v)
        for v in both:
            x = x * 2 + v
        return x, both, left, grown, a ^ b

    x = kn.asarray([1.0])
    for a, b in (({0, 8}, {16, 1}),) * 4 + (({8, 0, 16, 24}, {24, 7}), (set(range(0, 80, 8)), {0, 8, 3}), ({15, 23, 7}, {0, 31})):
        show(*map(list, f(x, a, b)[1:]), f(x, a, b)[0])
