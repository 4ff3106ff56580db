"""*args and **kwargs are passed on, grow, and lose entries on the way."""

import kiln as kn
from tests.capture.show import attempt, show


def inner(*args, **kwargs):
    total = args[0]
    for arg in args[1:]:
        total = total + arg
    return total * kwargs.get("scale", 1.0), len(args), sorted(kwargs)


def main(jit):
    @jit
    def f(*args, **kwargs):
        kwargs.pop("drop", None)
        return inner(*args, *args[:1], **kwargs, extra=None)

    x = kn.asarray([1.0, 2.0])
    show(f(x), f(x), f(x), f(x, 2.0), f(x, 2.0, 3.0), f(x, scale=3.0), f(x, drop=1, scale=4.0), f(x * 2))
    attempt(f, x, extra=1)
    attempt(f)
