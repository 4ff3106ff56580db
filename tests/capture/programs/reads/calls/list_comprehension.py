"""Comprehensions of every kind over captured containers that change."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    weights = [1.0, 2.0]

    @jit
    def f(x):
        listed = [x * w for w in weights if w]
        table = {i: y for i, y in enumerate(listed)}
        distinct = {w for w in weights}
        return sum(table.values()) + len(distinct) + sum(w for w in weights)

    x = kn.asarray([1.0])
    show(f(x), f(x), f(x))
    weights.append(2.0)
    show(f(x))
    weights[0] = 0.0
    show(f(x))
    weights[0] = -0.0
    show(f(x))
