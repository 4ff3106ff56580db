"""A dict of functions is looked up by a name that varies, and an entry is replaced."""

import kiln as kn
from tests.capture.show import attempt, show


def main(jit):
    table = {"relu": kn.relu, "tanh": kn.tanh, "double": lambda x: x * 2}

    @jit
    def f(x, name):
        return table[name](x)

    x = kn.asarray([-1.0, 1.0])
    for name in ("relu", "relu", "relu", "tanh", "double", "relu"):
        show(f(x, name))
    table["relu"] = table["double"]
    show(f(x, "relu"))
    attempt(f, x, "none")
