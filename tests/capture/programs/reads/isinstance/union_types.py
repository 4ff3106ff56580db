"""isinstance with unions and nested tuples kept in a variable that is rebound."""

import kiln as kn
from tests.capture.show import attempt, show


def main(jit):
    accepted = int | str

    @jit
    def f(x, value):
        return x + 1 if isinstance(value, accepted) else x - 1

    x = kn.asarray([1.0])
    show(f(x, 1), f(x, 1), f(x, 1), f(x, "a"), f(x, None))
    accepted = (float, (str, (type(None),)))
    show(f(x, 1), f(x, True), f(x, None), f(x, 1.0))
    accepted = ()
    show(f(x, "a"))
    accepted = "no type"
    attempt(f, x, 1)
