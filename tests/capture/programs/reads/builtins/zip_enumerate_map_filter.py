"""Lazy builtins over lists that grow and change."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    names, weights = ["a", "b"], [1.0, 2.0]

    @jit
    def f(x):
        total = x * 0
        for i, (name, weight) in enumerate(zip(names, weights)):
            total = total + x * (i + 1) * weight + len(name)
        for w in map(abs, filter(None, weights)):
            total = total + w
        return total

    x = kn.asarray([1.0, 2.0])
    for i in range(8):
        if i == 3:
            names.append("ccc")
        if i == 4:
            weights.append(-3.0)
        if i == 5:
            weights[0] = 0.0
        if i == 6:
            names[1] = "longer"
        show(f(x))
