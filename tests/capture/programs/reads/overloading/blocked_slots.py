"""Special methods set to None: iteration, items, length, index and conversion are refused, whatever a base can do."""
# pytorch/pytorch#181771

import kiln as kn
from tests.capture.show import attempt


class Numbers(list):
    pass


def main(jit):
    numbers = Numbers([1.0, 2.0])

    @jit
    def f(x, how):
        if how == "iter":
            return x + sum(v for v in numbers)
        if how == "item":
            return x * numbers[1]
        return x + len(numbers)

    x = kn.asarray([1.0])
    for _ in range(4):
        for how in ("iter", "item", "len"):
            attempt(f, x, how)
    numbers.append(5.0)
    attempt(f, x, "iter")
    Numbers.__iter__ = None
    attempt(f, x, "iter")
    Numbers.__getitem__ = None
    attempt(f, x, "item")
    Numbers.__len__ = None
    attempt(f, x, "len")
    del Numbers.__iter__, Numbers.__getitem__, Numbers.__len__
    attempt(f, x, "iter")
