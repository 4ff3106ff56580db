"""__defaults__ and __kwdefaults__ of the decorated function are assigned."""

import kiln as kn
from tests.capture.show import attempt, show


def main(jit):
    def plain(x, scale=1.0, *, bias=0.0):
        return x * scale + bias

    f = jit(plain)
    x = kn.asarray([1.0])
    show(f(x), f(x), f(x))
    plain.__defaults__ = (5.0,)
    show(f(x))
    plain.__kwdefaults__ = {"bias": 7.0}
    show(f(x))
    plain.__kwdefaults__["bias"] = 8.0
    show(f(x), f(x, 1.0), f(x, bias=0.0))
    plain.__defaults__ = None
    attempt(f, x, bias=1.0)
