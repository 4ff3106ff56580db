"""finally blocks, with statements and an inner return run in order while an exception passes."""

import kiln as kn
from tests.capture.show import attempt, show


def main(jit):
    log = []

    class Scope:
        def __init__(self, name):
            self.name = name

        def __enter__(self):
            log.append("+" + self.name)

        def __exit__(self, kind, *rest):
            log.append("-" + self.name + (kind.__name__ if kind else ""))

    @jit
    def f(x, n):
        try:
            with Scope("a"), Scope("b"):
                y = x / n if n else x * (1 // n)
                return y
        finally:
            log.append("finally")
            x += 1

    x = kn.asarray([1.0])
    for n in (1, 1, 1, 0, 2):
        attempt(f, x, n)
        show(log, x)
        log.clear()
