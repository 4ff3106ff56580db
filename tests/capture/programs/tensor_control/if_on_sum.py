"""if on a tensor's sum, with both sides and both orders of results."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x):
        if kn.sum(x) > 0:
            y = x * 2
        else:
            y = x - 1
        return y + 1

    for sign in (1.0, 1.0, 1.0, -1.0, 1.0, -1.0, 0.0, float("nan")):
        show(f(kn.asarray([1.0, 2.0]) * sign))
