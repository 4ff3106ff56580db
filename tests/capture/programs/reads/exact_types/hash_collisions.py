"""Keys that hash alike: -1 and -2, 1.0 and 1, and strings beside them."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    table = {-1: 1.0, -2: 2.0, 1: 3.0, "1": 4.0, (1,): 5.0}

    @jit
    def f(x, key):
        return x * table[key]

    x = kn.asarray([1.0])
    for key in (-1, -1, -1, -2, 1, 1.0, True, "1", (1,), (True,)):
        show(f(x, key))
    table[True] = 9.0
    show(f(x, 1), table)
