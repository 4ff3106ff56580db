"""A global appears that shadows a builtin, and goes away again."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x, items):
        return x * len(items)

    x = kn.asarray([1.0, 2.0])
    for i in range(7):
        if i == 3:
            globals()["len"] = lambda items: 100
        if i == 5:
            del globals()["len"]
        show(f(x, [1, 2, 3]))
