"""Tensors are appended to a captured list, and to one in an argument."""
# pytorch/pytorch#168103

import kiln as kn
from tests.capture.show import show


def main(jit):
    kept = []

    @jit
    def f(x, log):
        y = x + 1
        kept.append(y)
        log.append((y.shape, y))
        return y * 2

    log = []
    for i in range(6):
        show(f(kn.asarray([float(i)]), log))
    show(kept, len(log), kept[3] is log[3][1])
    return kept, log
