"""Exceptions with notes, re-raised, and wrapped in groups."""

import kiln as kn
from tests.capture.show import attempt


def main(jit):
    @jit
    def f(x, kind):
        try:
            if kind == "note":
                raise KeyError("k")
            if kind == "group":
                raise ExceptionGroup("several", [ValueError("a"), TypeError("b")])
            return x + 1
        except KeyError as error:
            error.add_note(f"for {x.shape}")
            raise
        except ExceptionGroup as group:
            raise group.exceptions[1] from None

    for kind in ("none", "none", "none", "note", "group", "none"):
        attempt(f, kn.asarray([1.0]), kind)
