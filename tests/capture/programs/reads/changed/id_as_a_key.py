"""id() of captured tensors picks the one to use."""
# pytorch/pytorch#130087

import kiln as kn
from tests.capture.show import show


def main(jit):
    a, b = kn.asarray([1.0]), kn.asarray([2.0])
    names = {id(a): 10.0, id(b): 20.0}

    @jit
    def f(x, wanted):
        return x * a if wanted == id(a) else x * b + names[id(b)]

    x = kn.asarray([3.0])
    show(f(x, id(a)), f(x, id(a)), f(x, id(a)), f(x, id(b)))
    keep, b = b, kn.asarray([5.0])
    names[id(b)] = 50.0
    show(f(x, id(b)), f(x, id(keep)))
