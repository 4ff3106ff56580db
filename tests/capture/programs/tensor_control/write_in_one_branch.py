"""One side of a branch writes to state, the other does not."""
# tensorflow/tensorflow#33193

import kiln as kn
from tests.capture.show import show


class State:
    spikes = 0


def main(jit):
    buffer = kn.zeros((3,))

    @jit
    def f(x, i):
        if x[i] == 2:
            buffer[i] = 22.0
            State.spikes += 1
        elif x[i] == 3:
            buffer[i] += 1.0
        return buffer * 1

    for i in (0, 1, 1, 1, 2, 2, 0):
        show(f(kn.asarray([1, 2, 3]), i), State.spikes)
