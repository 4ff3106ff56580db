"""An attribute of an imported module is replaced between calls."""

import math

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x):
        return x * math.pi + math.floor(2.5)

    x = kn.asarray([1.0])
    for pi, floor in ((math.pi, math.floor),) * 3 + ((3.0, math.floor), (3.0, math.ceil), (math.pi, math.floor)):
        math.pi, math.floor = pi, floor
        show(f(x))
