"""A decorated helper: its wrapper counts, and its inner function is swapped."""

import functools

import kiln as kn
from tests.capture.show import show


def main(jit):
    calls = []

    def logged(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            calls.append(function.__name__)
            return wrapper.inner(*args, **kwargs)

        wrapper.inner = function
        return wrapper

    @logged
    def double(x):
        return x * 2

    @jit
    def f(x):
        return double(x) + 1

    x = kn.asarray([1.0])
    show(f(x), f(x), f(x), calls)
    double.inner = lambda x: x * 10
    show(f(x), calls)
