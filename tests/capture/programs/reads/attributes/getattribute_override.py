"""A class with __getattribute__ decides every read itself."""

import kiln as kn
from tests.capture.show import attempt, show


class Proxy:
    def __init__(self, target):
        object.__setattr__(self, "target", target)

    def __getattribute__(self, name):
        target = object.__getattribute__(self, "target")
        return target[name] if name in target else object.__getattribute__(self, name)


def main(jit):
    values = {"scale": 2.0}
    proxy = Proxy(values)

    @jit
    def f(x):
        return x * proxy.scale

    x = kn.asarray([1.0])
    for scale in (2.0, 2.0, 2.0, 3.0, 2.0):
        values["scale"] = scale
        show(f(x))
    del values["scale"]
    attempt(f, x)
