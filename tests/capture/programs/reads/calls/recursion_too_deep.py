"""Recursion without end raises RecursionError, and the function works afterwards."""

import sys

import kiln as kn
from tests.capture.show import show


def main(jit):
    def helper(x, n):
        return x if n == 0 else helper(x, n - 1)

    @jit
    def f(x, n):
        try:
            return helper(x + 1, n)
        except RecursionError:
            return x - 1

    sys.setrecursionlimit(sys.getrecursionlimit() + 50)
    for n in (3, 3, 3, 10**6, 3, 4):
        show(f(kn.asarray([float(n)]), n))
