"""An undecorated helper is called often, and what it reads changes on the way."""

import kiln as kn
from tests.capture.show import show

SCALE = 1.0


def helper(x):
    return kn.exp(-x * SCALE) + x


def main(jit):
    global SCALE
    x = kn.asarray([0.1, 0.2])
    for i in range(120):
        if i == 60:
            SCALE = 2.0
        if i == 90:
            SCALE = -0.0
        x = helper(x) * 0.5
        if i % 30 == 29:
            show(x)
