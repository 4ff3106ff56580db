"""Two list arguments that were two objects are now one."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x, a, b):
        a.append(1)
        return x * len(b), a is b

    x = kn.asarray([1.0])
    for a, b in (([], []), ([], []), ([], [])):
        show(f(x, a, b))
    one = []
    show(f(x, one, one), one)
    show(f(x, [], []))
