"""What was written before an exception stays written, what comes after does not happen."""

import kiln as kn
from tests.capture.show import attempt, show


def main(jit):
    log, state = [], kn.asarray([0.0])

    @jit
    def f(x, stop):
        log.append("first")
        state[0] = state[0] + 1
        if stop:
            raise ValueError("stop")
        log.append("second")
        state[0] = state[0] * 10
        return x + state

    for stop in (False, False, False, True, False, True):
        attempt(f, kn.asarray([1.0]), stop)
        show(log, state)
        log.clear()
