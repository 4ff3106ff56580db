"""A subclass of set says itself what is equal, whichever side it stands on."""
# pytorch/pytorch#182759

import kiln as kn
from tests.capture.show import show


class Fuzzy(set):
    def __eq__(self, other):
        return "custom"

    def __ne__(self, other):
        return "different"

    __hash__ = None


def main(jit):
    plain, fuzzy = {1, 2}, Fuzzy({1, 2})

    @jit
    def f(x, a, b):
        same, other = a == b, a != b
        return x + len(str(same)) * 10 + len(str(other)), same, other

    x = kn.asarray([1.0])
    for a, b in ((plain, fuzzy),) * 3 + ((fuzzy, plain), (plain, {2, 1}), (fuzzy, fuzzy)):
        show(f(x, a, b))
    plain.add(3)
    show(f(x, plain, {1, 2}), f(x, plain, fuzzy))
    del Fuzzy.__eq__, Fuzzy.__ne__
    show(f(x, fuzzy, {1, 2}))
