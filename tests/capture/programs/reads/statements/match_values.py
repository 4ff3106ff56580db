"""match over literals, types, sequences, mappings, classes and guards."""

from dataclasses import dataclass

import kiln as kn
from tests.capture.show import show


@dataclass
class Point:
    a: float
    b: float = 0.0


def main(jit):
    limit = 5

    @jit
    def f(x, subject):
        match subject:
            case 0 | 1:
                return x + 1
            case True:
                return x + 2
            case str() as text:
                return x + len(text)
            case [a, *rest]:
                return x * a + len(rest)
            case {"scale": scale, **others}:
                return x * scale + len(others)
            case Point(a, b=0.0):
                return x - a
            case int(n) if n > limit:
                return x * n
            case None:
                return -x
            case _:
                return x * 0

    x = kn.asarray([1.0])
    for subject in (0, 0, 0, True, "abc", [2.0, 1, 1], (3.0,), {"scale": 4.0, "k": 1}, Point(9.0), Point(9.0, 1.0), 7, 4, None, 1.0, b"x"):
        show(f(x, subject))
    limit = 3
    show(f(x, 4))
