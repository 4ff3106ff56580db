"""OrderedDict.move_to_end and popitem change order alone."""
# pytorch/pytorch#198189

import collections

import kiln as kn
from tests.capture.show import show


def main(jit):
    cache = collections.OrderedDict(a=1.0, b=2.0, c=3.0)

    @jit
    def f(x, name):
        cache.move_to_end(name)
        for value in cache.values():
            x = x * 2 + value
        return x

    for name in ("a", "a", "a", "b", "c", "b"):
        show(f(kn.asarray([0.0]), name), list(cache))
    cache.popitem(last=False)
    show(f(kn.asarray([0.0]), "b"))
