"""del of locals, items and attributes; a local read before it has a value raises."""

import kiln as kn
from tests.capture.show import attempt


def main(jit):
    @jit
    def f(x, table, which):
        y = x + 1
        if which == "local":
            del y
        elif which == "item":
            del table["a"]
        elif which == "later":
            z = x
        x = y * len(table)
        return x if which != "later2" else z

    for which in ("none", "none", "none", "item", "local", "later", "later2", "none"):
        attempt(f, kn.asarray([1.0]), {"a": 1, "b": 2}, which)
