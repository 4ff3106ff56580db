"""getattr, hasattr and setattr with names that vary."""

import kiln as kn
from tests.capture.show import show


class Options:
    first = 1.0
    second = 2.0


def main(jit):
    options = Options()

    @jit
    def f(x, name):
        value = getattr(options, name, 0.0)
        options.last = name
        return x * value + hasattr(options, "extra")

    x = kn.asarray([1.0])
    for name in ("first", "first", "first", "second", "third", "first"):
        show(f(x, name), options.last)
    options.extra = None
    show(f(x, "first"))
    return options
