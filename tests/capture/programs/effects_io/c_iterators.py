"""itertools' counters, cycles and islices carry state from call to call."""

import itertools

import kiln as kn
from tests.capture.show import show


def main(jit):
    counter, cycle = itertools.count(), itertools.cycle([1.0, -1.0, 0.5])
    lines = iter(["a", "bb", "ccc"])

    @jit
    def f(x):
        x = x * next(cycle) + next(counter)
        return x + len(next(lines, "")) + sum(itertools.islice(counter, 2))

    for _ in range(6):
        show(f(kn.asarray([1.0])))
    show(next(counter), next(cycle))
