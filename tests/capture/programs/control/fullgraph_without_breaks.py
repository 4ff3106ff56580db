"""fullgraph=True on a function that never needs a value early."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    scale = 1.0

    @jit(fullgraph=True)
    def f(x, flip):
        y = kn.tanh(x) * scale
        return -y if flip else y

    x = kn.asarray([1.0, 2.0])
    for flip, value in ((False, 1.0), (False, 1.0), (False, 1.0), (True, 1.0), (False, 2.0), (True, 2.0)):
        scale = value
        show(f(x, flip))
