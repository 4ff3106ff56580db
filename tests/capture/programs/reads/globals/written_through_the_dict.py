"""A global is changed through globals(), not by a statement."""

import kiln as kn
from tests.capture.show import show

BIAS = 1.0


def main(jit):
    @jit
    def f(x):
        return x + BIAS

    x = kn.asarray([1.0])
    for i in range(6):
        globals()["BIAS"] = float(i // 3)
        show(f(x))
