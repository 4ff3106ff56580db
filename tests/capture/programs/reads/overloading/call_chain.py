"""obj(...)(...) and obj.attr[...](...), each user-defined."""

import kiln as kn
from tests.capture.show import show


class Curry:
    def __init__(self, *args):
        self.args = args

    def __call__(self, arg):
        return Curry(*self.args, arg)

    def __getitem__(self, i):
        return lambda x: x * self.args[i]

    @property
    def last(self):
        return self.args[-1]


def main(jit):
    @jit
    def f(x, a, b):
        c = Curry()(a)(b)
        return c[0](x) + c[1](x) * 10 + c.last

    for a, b in ((1, 2), (1, 2), (1, 2), (2, 1), (1.5, 2)):
        show(f(kn.asarray([1.0]), a, b))
