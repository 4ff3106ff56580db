"""Lists sorted by values of tensors, NaN among them: the order is that of Python's comparisons, and equal ones stay as they were."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x, backwards):
        pairs = [(float(v), i) for i, v in enumerate(x)]
        by_value = sorted(pairs, key=lambda pair: pair[0], reverse=backwards)
        pairs.sort()
        return [i for _, i in by_value], [i for _, i in pairs], [float(v) for v in sorted(x)]

    nan = float("nan")
    for values in ([3.0, 1.0, 2.0],) * 3 + ([1.0, 1.0, 0.0], [nan, 1.0, 0.0], [2.0, nan, 1.0], [1.0, 2.0, 3.0], [0.0, -0.0, 0.0]):
        for backwards in (False, True):
            show(f(kn.asarray(values), backwards))
    show(f(kn.asarray([5.0, 4.0, 6.0, 4.0, nan, 1.0]), False))
