"""A list grows by an item at each call, which reads its length and its first items, and changes one in place."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    log = [0.5, 1]

    @jit
    def f(x):
        log.append(x)
        log[1] *= 2
        return x * len(log) + log[0] + log[1], len(log)

    for i in range(8):
        if i == 5:
            log[0] = -3.0
        if i == 6:
            log.clear()
            log.extend([9.0, 1.5])
        show(f(kn.asarray([float(i)])))
    return log
