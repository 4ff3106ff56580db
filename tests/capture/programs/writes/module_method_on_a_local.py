"""Mutation through methods of an object made inside, which holds a captured container."""
# pytorch/pytorch#197896

import kiln as kn
from tests.capture.show import show


class Writer:
    def __init__(self, table):
        self.table = table

    def put(self, key, value):
        self.table[key] = self.table.get(key, 0) + value
        return self


def main(jit):
    table = {}

    @jit
    def f(x, key):
        writer = Writer(table).put(key, 1).put("all", x)
        return x * writer.table[key]

    for key in ("a", "a", "a", "b", "a"):
        show(f(kn.asarray([1.0]), key), table)
