"""Shapes that depend on values: nonzero, masks, unique."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x):
        chosen = x[x > 1]
        (where,) = kn.nonzero(x)
        return chosen * 2, where, kn.unique_values(x), chosen.shape[0] + where.shape[0]

    for values in ([1.0, 2.0, 3.0],) * 3 + ([0.0, 0.0, 5.0], [0.0, 0.0, 0.0], [2.0, 2.0, 2.0, 2.0]):
        show(f(kn.asarray(values)))
