"""A key that was not there appears, and goes away."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    table = {"scale": 2.0}

    @jit
    def f(x):
        if "bias" in table:
            return x * table["scale"] + table["bias"]
        return x * table["scale"]

    x = kn.asarray([1.0])
    show(f(x), f(x), f(x))
    table["bias"] = 5.0
    show(f(x))
    table["bias"] = 6.0
    show(f(x))
    del table["bias"]
    show(f(x))
