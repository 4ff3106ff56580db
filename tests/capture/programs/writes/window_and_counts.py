"""A bounded deque, a defaultdict of lists and a Counter take part in a computation."""

import collections

import kiln as kn
from tests.capture.show import show


def main(jit):
    window = collections.deque([0.0, 0.0, 0.0], maxlen=3)
    seen, groups = collections.Counter(), collections.defaultdict(list)

    @jit
    def f(x, name):
        window.append(x)
        window.rotate(1)
        seen[name] += 1
        groups[name].append(len(window))
        return sum(window) + seen[name] + seen["never"], window[-1] is x

    for i, name in enumerate("aaaaabab"):
        if i == 6:
            window = collections.deque(window, maxlen=5)
        show(f(kn.asarray([float(i)]), name), window, seen)
    return groups
