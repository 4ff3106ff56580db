"""A default is what its expression gave at definition; rebinding the name later does nothing."""

import kiln as kn
from tests.capture.show import show

SCALE = 2.0


def main(jit):
    global SCALE

    @jit
    def f(x, scale=SCALE):
        return x * scale * SCALE

    for SCALE in (2.0, 2.0, 2.0, 3.0, 4.0):
        show(f(kn.asarray([1.0])))
