"""A disabled helper, called in the middle, keeps its order among effects."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    log = []

    @kn.disable
    def outside(x):
        log.append(float(kn.sum(x)))
        return x + len(log)

    @jit
    def f(x):
        y = outside(x * 2)
        log.append("after")
        return y * 3

    for i in range(5):
        show(f(kn.asarray([1.0, float(i)])), log)
