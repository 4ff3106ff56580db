"""A counter that the function itself counts decides every third call."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    state = {"calls": 0}

    @jit
    def f(x):
        state["calls"] += 1
        if state["calls"] % 3 == 0:
            state.setdefault("thirds", []).append(state["calls"])
            return x * 100
        return x + state["calls"]

    for _ in range(8):
        show(f(kn.asarray([1.0])))
    return state
