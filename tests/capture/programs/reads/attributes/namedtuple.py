"""Named tuples by name, by position, and replaced; a subclass adds a property."""

from typing import NamedTuple

import kiln as kn
from tests.capture.show import show


class State(NamedTuple):
    mean: object
    count: int = 0

    @property
    def next(self):
        return self.count + 1


def main(jit):
    @jit
    def f(state, x):
        count = state.next
        return state._replace(mean=state.mean + (x - state.mean) / count, count=count), state[1]

    state = State(kn.asarray([0.0, 0.0]))
    for i in range(8):
        state, before = f(state, kn.asarray([1.0, float(i)]))
        show(state, before, type(state).__name__)
