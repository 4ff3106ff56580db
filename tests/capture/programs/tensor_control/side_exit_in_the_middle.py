"""Work, a rare branch that logs, more work: the rare branch sometimes, then often."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    log = []

    @jit
    def f(x):
        y = kn.exp(-x * x)
        z = kn.sum(y)
        if z > 1.5:
            log.append(float(z))
            y = y / z
        return kn.tanh(y) + z

    for value in (2.0, 2.0, 2.0, 0.1, 2.0, 0.1, 0.2, 0.3, 2.0):
        show(f(kn.asarray([value, 1.0])))
    return log
