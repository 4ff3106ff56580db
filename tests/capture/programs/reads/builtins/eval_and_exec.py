"""eval of an expression in the function's own names; the text varies."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x, text):
        return eval(text, {"x": x, "kn": kn})

    x = kn.asarray([1.0, 4.0])
    for text in ("x + 1", "x + 1", "x + 1", "x * 2", "kn.sqrt(x)", "x + 1"):
        show(f(x, text))
