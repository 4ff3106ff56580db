"""print is shadowed by a collector, then not any more."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    collected = []

    @jit
    def f(x):
        print("called with", x.shape)
        return x + 1

    x = kn.asarray([1.0])
    for i in range(6):
        if i == 2:
            globals()["print"] = lambda *args: collected.append(args)
        if i == 4:
            del globals()["print"]
        f(x)
    show(collected)
