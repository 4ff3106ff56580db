"""Most results are dropped at once, some are kept in cycles."""

import gc

import kiln as kn
from tests.capture.show import show


def main(jit):
    class Node:
        pass

    kept, x = [], kn.asarray([1.0, 2.0])
    for i in range(100):
        kn.exp(x * i)
        node = Node()
        node.self, node.value = node, x + i
        if i % 25 == 0:
            kept.append(node)
        x = x * 0.99
        del node
        if i == 50:
            gc.collect()
    gc.collect()
    show([node.self.value for node in kept], x)
