"""A function writes a variable that another, called by it, reads and hands on to a third."""
# pytorch/pytorch#138112

import kiln as kn
from tests.capture.show import show


def main(jit):
    z, k = 1, 2

    def create():
        def copy(x):
            nonlocal k
            k = z

        return copy

    def run(function, x, value):
        nonlocal z
        z = value
        function(x)
        return kn.cos(x) * k

    @jit
    def f(x, value):
        return run(create(), x, value)

    for value in (3, 3, 3, 4, 3, 2.5):
        show(f(kn.asarray([1.0, 2.0]), value), z, k)
