"""A captured function's own attributes and its wrapper's name, doc and module."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    def plain(x, y=2):
        "Documented."
        plain.calls += 1
        return x * y + plain.calls

    plain.calls = 0
    f = jit(plain)
    for i in range(5):
        if i == 3:
            plain.calls = 100
        show(f(kn.asarray([1.0])))
    show(f.__name__, f.__doc__, f.__qualname__, f.__module__, callable(f))
