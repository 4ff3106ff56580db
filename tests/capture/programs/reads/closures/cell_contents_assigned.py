"""A cell of the closure is written through __closure__."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    def make(scale):
        def f(x):
            return x * scale

        return f

    plain = make(2.0)
    f = jit(plain)
    x = kn.asarray([1.0])
    for value in (2.0, 2.0, 2.0, 3.0, 2.0, float("nan"), float("inf")):
        plain.__closure__[0].cell_contents = value
        show(f(x))
