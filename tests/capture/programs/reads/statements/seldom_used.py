"""Statements and operators that few functions have: attributes deleted, sets out of others, unary operators, loops until None."""

import kiln as kn
from tests.capture.show import attempt, show


class Link:
    def __init__(self, scale, after=None):
        self.scale, self.after = scale, after


class Temporary:
    pass


def main(jit):
    chain = Link(2, Link(-3, Link(5)))
    first, second = {1, 2}, {2, 3}

    @jit
    def f(x, n):
        link = chain
        while link is not None:
            x = x * +link.scale
            link = link.after
        found = None
        while found is None:
            n, found = n + 1, n if n > 2 else None
        held = Temporary()
        held.value = x
        x = held.value + ~n
        del held.value
        own = {n, *(n, n + 1)}
        return x * len(own), hasattr(held, "value")

    for n in (1, 1, 1, 4):
        show(f(kn.asarray([1.0, -2.0]), n))
    chain.after.scale = 7
    show(f(kn.asarray([1.0, -2.0]), 1))
    chain.after.after.after = Link(first)
    attempt(f, kn.asarray([1.0, -2.0]), 1)
    del chain.after.after.after
    attempt(f, kn.asarray([1.0, -2.0]), 1)
    chain.after.after.after = None
    show(f(kn.asarray([1.0, -2.0]), 1), first | second)
