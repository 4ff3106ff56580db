"""Reductions of nothing: sums are zero, maxima raise."""

import kiln as kn
from tests.capture.show import attempt


def main(jit):
    @jit
    def f(x, what):
        return kn.sum(x, axis=0) if what == "sum" else kn.max(x, axis=0)

    for n, what in ((2, "sum"),) * 3 + ((0, "sum"), (0, "max"), (2, "max"), (0, "max"), (3, "sum")):
        attempt(f, kn.ones((n, 2)), what)
