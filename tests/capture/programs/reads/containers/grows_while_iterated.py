"""A list that grows while it is iterated over."""
# pytorch/pytorch#175855

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x, limit):
        values = [x]
        for value in values:
            if len(values) < limit:
                values.append(value + 1)
        return kn.stack(values)

    for limit in (3, 3, 3, 5, 1, 3):
        show(f(kn.asarray([1.0, 10.0]), limit))
