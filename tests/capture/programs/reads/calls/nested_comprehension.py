"""Nested comprehensions whose inner one reads the outer variable and a nonlocal that moves."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    offset = 0.0

    @jit
    def f(x, rows, columns):
        grid = [[x * (i * columns + j) + offset for j in range(columns)] for i in range(rows)]
        return kn.stack([y for row in grid for y in row])

    x = kn.asarray(1.0)
    for rows, columns, value in ((2, 2, 0.0),) * 3 + ((3, 1, 0.0), (2, 2, 5.0), (1, 2, 5.0)):
        offset = value
        show(f(x, rows, columns))
