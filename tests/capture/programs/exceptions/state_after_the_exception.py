"""State, tensors written in place and draws are where eager leaves them when it raises."""

import kiln as kn
from tests.capture.show import attempt, show


class State:
    steps = 0


def main(jit):
    w = kn.asarray([1.0, 2.0])

    @jit
    def f(x, bad):
        State.steps += 1
        w.__imul__(2.0)
        noise = kn.random.uniform((2,))
        if bad:
            w[5] = 1.0
        State.steps += 10
        return w + noise + x

    for bad in (False, False, False, True, False):
        attempt(f, kn.asarray([0.0, 0.0]), bad)
        show(w, State.steps)
