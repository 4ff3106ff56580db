"""A defaultdict makes what is missing, as a side effect of reading."""

import collections

import kiln as kn
from tests.capture.show import show


def main(jit):
    counts = collections.defaultdict(int)

    @jit
    def f(x, name):
        counts[name] += 1
        return x * counts[name] + counts["never"]

    x = kn.asarray([1.0])
    for name in ("a", "a", "a", "b", "a", "c"):
        show(f(x, name), counts)
