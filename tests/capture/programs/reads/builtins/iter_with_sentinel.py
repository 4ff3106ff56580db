"""iter(callable, sentinel) and next with a default, over a list that is emptied."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    queue = [1.0, 2.0, None, 3.0]

    @jit
    def f(x):
        for value in iter(lambda: queue.pop(0) if queue else None, None):
            x = x + value
        return x + next(iter(queue), 100.0)

    for _ in range(5):
        show(f(kn.asarray([0.0])), list(queue))
