"""`in`, index and count find a NaN by its identity alone."""
# pytorch/pytorch#184606

import kiln as kn
from tests.capture.show import attempt


def main(jit):
    nan = float("nan")
    values = [1.0, nan, 2.0]

    @jit
    def f(x, v):
        return x + (v in values) * 10 + values.count(v) * 100, values.index(v), (v, 1) == (values[1], 1)

    x = kn.asarray([1.0])
    for v in (1.0, 1.0, 1.0, nan, nan, nan, float("nan"), 2, True):
        attempt(f, x, v)
    values[1] = float("nan")
    attempt(f, x, nan)
    values[1] = nan
    attempt(f, x, nan)
