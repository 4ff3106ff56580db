"""A captured function calls captured functions, which change state in between."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    state = {"k": 1.0}

    @jit
    def inner(x):
        state["k"] += 1
        return x * state["k"]

    @jit
    def middle(x):
        return inner(x) + inner(x)

    @jit
    def outer(x):
        y = middle(x) * state["k"]
        return inner(y)

    for i in range(5):
        show(outer(kn.asarray([1.0])), state)
        if i == 3:
            state["k"] = -1.0
