"""Starred assignment and calls, with lists, strings, dicts and generators of varying length."""

import kiln as kn
from tests.capture.show import attempt, show


def main(jit):
    @jit
    def f(x, values):
        first, *middle, last = values
        merged = {**{"a": 1}, **dict.fromkeys(map(str, middle), x)}
        together = [*values, *middle]
        return x * first + last + len(together) * 10 + len(merged) * 100

    x = kn.asarray([1.0])
    for values in ([1, 2, 3], [1, 2, 3], [1, 2, 3], [1, 3], (4, 5, 5, 6), range(5), {7: 0, 8: 0, 9: 0}):
        show(f(x, values))
    attempt(f, x, [7, 2, 9])
    attempt(f, x, [1])
    attempt(f, x, "ab")
