"""Every way of changing a list, with tensors computed from it."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    values = [3, 1, 2]

    @jit
    def f(x, n):
        values.sort(key=lambda v: -v)
        values.insert(1, n)
        if n in values[2:]:
            values.remove(n)
        values.extend(values[:1])
        del values[-2:-1]
        for v in values:
            x = x * 2 + v
        return x

    for n in (5, 5, 5, 1, 2, 9):
        show(f(kn.asarray([0.0]), n), values)
    return values
