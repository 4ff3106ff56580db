"""A deque that changes while it is iterated over raises, forwards and backwards."""
# pytorch/pytorch#189052

import collections

import kiln as kn
from tests.capture.show import attempt, show


def main(jit):
    window = collections.deque([1.0, 2.0, 3.0])

    @jit
    def f(x, backwards, change):
        for value in reversed(window) if backwards else window:
            x = x * 2 + value
            if change:
                window.append(0.0)
        return x

    for backwards, change in ((False, False),) * 3 + ((True, False), (False, True), (True, True), (False, False)):
        attempt(f, kn.asarray([0.0]), backwards, change)
        show(window)
