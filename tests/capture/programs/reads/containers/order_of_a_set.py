"""Sets of equal members in different orders are iterated over; one set loses and gains members."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x, members, known):
        for member in members:
            x = x * 3 + member
        return x + len(members) * 100 + (8 in members) + (members == known) * 7 + len(members & known), sorted(members | {16})

    x, known = kn.asarray([1.0]), {0, 8}
    one, other = {0, 8}, {8}
    other.add(0)
    show(list(one) == list(other))
    for members in (one, one, one, other, one, {8, 16}, set(), other):
        show(f(x, members, known))
    one.discard(8)
    show(f(x, one, known))
    one.add(8)
    show(f(x, one, known))
    known.add(3)
    show(f(x, one, known))
