"""`in` on a set, a list and a string, whose content changes."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    frozen, listed = set(), [1, 2]

    @jit
    def f(x, name):
        if name in frozen:
            return x * 0
        return x + (3 in listed) + ("ab" in name)

    x = kn.asarray([1.0])
    for name in ("abc", "abc", "abc", "cba"):
        show(f(x, name))
    frozen.add("abc")
    show(f(x, "abc"), f(x, "ab"))
    listed[0] = 3
    show(f(x, "ab"))
    frozen.discard("abc")
    show(f(x, "abc"))
