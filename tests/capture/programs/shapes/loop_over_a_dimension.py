"""A Python loop runs over a dimension; its length varies."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x):
        state, seen = x[0] * 0, []
        for t in range(x.shape[0]):
            state = kn.tanh(state + x[t])
            seen.append(state)
        return kn.stack(seen)

    for n in (2, 2, 2, 4, 1, 3):
        show(f(kn.ones((n, 2)) * 0.5))
