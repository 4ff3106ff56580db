"""The same shapes with and without requires_grad, in turns."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x, y):
        z = x * y + 1
        return z, z.requires_grad, z.is_leaf

    plain, leaf = kn.asarray([1.0, 2.0]), kn.asarray([1.0, 2.0]).requires_grad_()
    for x, y in ((plain, plain),) * 3 + ((leaf, plain), (plain, leaf), (leaf, leaf), (leaf * 1, plain), (plain, plain)):
        z, requires, is_leaf = f(x, y)
        if requires:
            kn.sum(z).backward()
        show(z, requires, is_leaf, leaf.grad)
