"""A global string chooses what is computed; strings are compared by content."""

import kiln as kn
from tests.capture.show import show

MODE = "sum"


def main(jit):
    global MODE

    @jit
    def f(x):
        if MODE == "sum":
            return kn.sum(x)
        return kn.max(x)

    x = kn.asarray([1.0, 2.0, 4.0])
    for mode in ("sum", "su" + "m"[:1], "".join(["s", "um"]), "max", "sum", "MAX".lower(), b"sum"):
        MODE = mode
        show(f(x))
