"""A bounded deque as a window, and a Counter, both from the standard library."""

import collections

import kiln as kn
from tests.capture.show import show


def main(jit):
    window = collections.deque(maxlen=3)
    seen = collections.Counter()

    @jit
    def f(x, name):
        window.append(x)
        seen[name] += 1
        return sum(window) / len(window), seen.most_common(1)

    for i, name in enumerate("abbbaaaa"):
        show(f(kn.asarray([float(i)]), name))
    return window, seen
