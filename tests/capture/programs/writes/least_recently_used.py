"""A cache in an OrderedDict: what is used moves to the end, and the first is thrown out when there are too many."""
# pytorch/pytorch#198189

import collections

import kiln as kn
from tests.capture.show import show


def main(jit):
    cache = collections.OrderedDict(a=kn.asarray([1.0]), b=kn.asarray([2.0]))

    @jit
    def f(x, key):
        if key in cache:
            cache.move_to_end(key)
        else:
            cache[key] = x * len(cache)
        if len(cache) > 3:
            cache.popitem(last=False)
        return cache[key] + x

    for key in "aaabbcacdabcd":
        show(f(kn.asarray([1.0]), key), list(cache))
    cache.clear()
    show(f(kn.asarray([3.0]), "a"), cache)
