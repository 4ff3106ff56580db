"""assert on a tensor, with the tensor in its message."""

import kiln as kn
from tests.capture.show import attempt


def main(jit):
    @jit
    def f(x):
        y = kn.sqrt(x)
        assert kn.all(y < 10), f"too large: {float(kn.max(y))}"
        return y

    for value in (4.0, 4.0, 4.0, 400.0, 9.0, 101.0):
        attempt(f, kn.asarray([1.0, value]))
