"""dict.get and setdefault, with and without the key, and with None as the value."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    table = {}

    @jit
    def f(x):
        scale = table.get("scale", 3.0)
        first = table.setdefault("first", 1.0)
        return x * (0.0 if scale is None else scale) + first

    x = kn.asarray([1.0])
    show(f(x), f(x), f(x))
    table["scale"] = 1.0
    show(f(x))
    table["scale"] = None
    show(f(x))
    table.clear()
    show(f(x), table)
