"""One object reached by two paths: written by one, read by the other in the same call."""

import kiln as kn
from tests.capture.show import show


class Node:
    pass


def main(jit):
    a, b = Node(), Node()
    a.child = b.child = Node()
    a.child.k = 1

    @jit
    def f(x):
        a.child.k += 1
        y = x * b.child.k
        b.child.k *= 2
        return y + a.child.k

    x = kn.asarray([1.0])
    for i in range(6):
        if i == 4:
            b.child = Node()
            b.child.k = 0
        show(f(x), a.child.k, b.child.k)
