"""Elements, slices and shapes that follow from a tensor's value and from nothing else, in many calls."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    table = kn.asarray([0.0, 1.0, 4.0, 9.0, 16.0])

    @jit
    def element(i):
        return table[i] * 2.0 + 1.0

    @jit
    def row(x, i):
        return x[i, i:] - x[0, 0]

    @jit
    def chosen(x, mask):
        return x[mask] * 2.0

    for n in range(24):
        i = kn.asarray(n % 4)
        show(element(i))
        show(row(kn.reshape(kn.arange(16), (4, 4)), i))
        show(chosen(table, table > 3.0 * (n % 5)))
