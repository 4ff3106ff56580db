"""A default tensor is changed in place by the caller and by the function."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    state = kn.asarray([1.0, 2.0])

    @jit
    def f(x, state=state):
        state += x
        return state * 2

    x = kn.asarray([1.0, 1.0])
    for i in range(6):
        if i == 3:
            state[0] = 100.0
        show(f(x), state)
