"""vars() of an object that the function makes, whose attributes follow from data."""

import kiln as kn
from tests.capture.show import show


class Part:
    def __init__(self, scale, name):
        self.scale, self.name = scale, name


def main(jit):
    @jit
    def f(x):
        part = Part(float(kn.sum(x)), "part")
        vars(part)["extra"] = part.scale * 2
        y = x * vars(part)["scale"] + part.extra
        return y, sum(v for v in vars(part).values() if not isinstance(v, str)), "extra" in part.__dict__, len(vars(part))

    for value in (1.0, 1.0, 1.0, 2.0, -3.0):
        show(f(kn.asarray([value, 1.0])))
