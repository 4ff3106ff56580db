"""The result is the argument itself, or a view of it, and is written by the caller."""
# pytorch/pytorch#195451

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x, kind):
        x[0] = 10.0
        return x if kind == "same" else x[:1] if kind == "view" else x + 0

    for kind in ("same", "same", "same", "view", "copy", "same"):
        x = kn.asarray([1.0, 2.0])
        y = f(x, kind)
        y += 100
        show(x, y, y is x)
