"""A partial is what is decorated; its bound list changes."""

import functools

import kiln as kn
from tests.capture.show import show


def combined(weights, x, *, power=1):
    return sum(w * x**power for w in weights)


def main(jit):
    weights = [1.0, 2.0]
    f = jit(functools.partial(combined, weights))
    x = kn.asarray([1.0, 3.0])
    show(f(x), f(x), f(x))
    weights.append(10.0)
    show(f(x), f(x, power=2))
    weights.clear()
    show(f(x))
