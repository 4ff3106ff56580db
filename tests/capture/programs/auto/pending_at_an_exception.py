"""An exception leaves the hot loop with work pending; what was made stays made."""

import kiln as kn
from tests.capture.show import attempt, show


def main(jit):
    kept = []

    def step(x, i):
        y = kn.sin(x) + i
        kept.append(y)
        if i == 70:
            raise ValueError("enough")
        return y * 0.5

    x = kn.asarray([1.0, 2.0])
    try:
        for i in range(100):
            x = step(x, i)
    except ValueError as error:
        show(str(error), x, kept[-1], len(kept))
    attempt(step, x, 70)
