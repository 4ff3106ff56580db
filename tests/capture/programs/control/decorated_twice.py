"""jit of jit, and one function captured twice with two options."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    offset = [0.0]

    def plain(x):
        return kn.sin(x) + offset[0]

    f, g, h = jit(plain), jit(jit(plain)), jit(plain, dynamic=True)
    x = kn.asarray([1.0, 2.0])
    for value in (0.0, 0.0, 0.0, 5.0, 0.0):
        offset[0] = value
        show(f(x), g(x), h(x))
