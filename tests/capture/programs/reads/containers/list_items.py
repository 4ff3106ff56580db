"""Items of a captured list are assigned, appended, popped and reversed."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    weights = [1.0, 2.0]

    @jit
    def f(x):
        for w in weights:
            x = x * w + len(weights)
        return x

    x = kn.asarray([1.0])
    show(f(x), f(x), f(x))
    weights[0] = 5.0
    show(f(x))
    weights.append(3.0)
    show(f(x))
    weights.reverse()
    show(f(x))
    weights.pop()
    show(f(x))
    weights[:] = []
    show(f(x))
