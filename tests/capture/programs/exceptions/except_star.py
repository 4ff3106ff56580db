"""except* takes groups apart."""

import kiln as kn
from tests.capture.show import attempt, show


def main(jit):
    taken = []

    @jit
    def f(x, errors):
        try:
            if errors:
                raise ExceptionGroup("several", errors)
        except* ValueError as group:
            taken.append(("values", len(group.exceptions)))
            x = x * 10
        except* TypeError as group:
            taken.append(("types", len(group.exceptions)))
            x = x + 1
        return x

    for errors in ([], [], [], [ValueError("a")], [TypeError("b"), ValueError("c")], [KeyError("k")]):
        attempt(f, kn.asarray([1.0]), errors)
    show(taken)
