"""Indexing lists with tensor values and tensors with tensors, masks and slices of tensors."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    names = ["zero", "one", "two"]

    @jit
    def f(x, i):
        j = int(kn.argmax(x))
        return x[i], x[kn.asarray([0, 2])] + x[x > 1].shape[0], names[i], names[j], x[: int(i) + 1]

    for values, i in (([1.0, 2.0, 3.0], 1),) * 3 + (([3.0, 0.0, 0.0], 1), ([1.0, 2.0, 3.0], 2), ([0.0, 9.0, 9.0], 0)):
        show(f(kn.asarray(values), kn.asarray(i)))
