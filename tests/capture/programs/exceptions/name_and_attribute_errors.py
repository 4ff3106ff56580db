"""NameError, AttributeError, UnboundLocalError, KeyError and IndexError of ordinary mistakes."""

import kiln as kn
from tests.capture.show import attempt


def main(jit):
    table = {"a": 1.0}

    @jit
    def f(x, kind):
        y = x + 1
        if kind == "name":
            return y * undefined_name
        if kind == "attribute":
            return y.undefined_attribute
        if kind == "key":
            return y * table["b"]
        if kind == "index":
            return y[[0, 1][2]]
        if kind == "local":
            return y * later
        later = 1.0
        return y * later

    for kind in ("none", "none", "none", "name", "attribute", "key", "index", "local", "none"):
        attempt(f, kn.asarray([1.0]), kind)
