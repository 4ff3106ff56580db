"""A structure named static holds a tensor that is written and replaced."""
# jax-ml/jax#9024

import kiln as kn
from tests.capture.show import show


class Tree:
    def __init__(self, data):
        self.data = data


def main(jit):
    @jit(static_argnums=0)
    def f(tree):
        return tree.data + 0

    tree = Tree(kn.arange(4))
    show(f(tree), f(tree), f(tree))
    tree.data += 1
    show(f(tree))
    tree.data = kn.arange(4) * 10
    show(f(tree))
