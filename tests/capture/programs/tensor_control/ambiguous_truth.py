"""The truth of a tensor of several elements raises; of one element it is taken."""

import kiln as kn
from tests.capture.show import attempt


def main(jit):
    @jit
    def f(x):
        return x + 1 if x > 0 else x - 1

    for values in ([1.0], [1.0], [1.0], [-1.0], [1.0, 2.0], [], [[2.0]], 5.0):
        attempt(f, kn.asarray(values))
