"""itemgetter, attrgetter and methodcaller that the function makes or is given, for objects whose parts change."""

import operator

import kiln as kn
from tests.capture.show import attempt, show


class Node:
    def __init__(self, value, child=None):
        self.value, self.child = value, child

    def scaled(self, by, plus=0.0):
        return self.value * by + plus


def main(jit):
    node = Node(2.0, Node(3.0))

    @jit
    def f(x, pick, pairs):
        deep = operator.attrgetter("value", "child.value")
        first, second = deep(node)
        ordered = sorted(pairs, key=operator.itemgetter(1))
        return x * first + second + pick(node), [name for name, _ in ordered]

    x, double, pairs = kn.asarray([1.0]), operator.methodcaller("scaled", 2.0, plus=1.0), [("a", 2), ("b", 1)]
    for _ in range(3):
        show(f(x, double, pairs))
    node.child.value = 10.0
    show(f(x, double, pairs))
    show(f(x, operator.methodcaller("scaled", 3.0), pairs))
    pairs[1] = ("b", 3)
    show(f(x, operator.attrgetter("child.value"), pairs))
    node.child = None
    attempt(f, x, double, pairs)
