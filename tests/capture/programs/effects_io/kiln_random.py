"""Kiln's own draws, with the seed set and the state saved and restored between calls."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x, n):
        y = x + kn.random.normal((2,))
        for _ in range(n):
            y = y * kn.random.uniform((2,))
        return kn.dropout(y, 0.5) if n else y

    state = None
    for i, n in enumerate((1, 1, 1, 0, 2, 1, 1)):
        if i == 2:
            state = kn.random.get_state()
        if i == 5:
            kn.random.set_state(state)
        show(f(kn.asarray([1.0, 2.0]), n))
