"""Sizes in Python arithmetic: products, halves, remainders, comparisons."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x):
        rows, columns = x.shape
        half = columns // 2
        y = kn.reshape(x, (columns, rows)) if rows % 2 else x[:, :half]
        return y * (rows * columns) + max(rows, columns) - half

    for shape in ((2, 4), (2, 4), (2, 4), (3, 4), (4, 2), (1, 1), (2, 5), (0, 3)):
        show(f(kn.reshape(kn.arange(shape[0] * shape[1], dtype=kn.float32), shape)))
