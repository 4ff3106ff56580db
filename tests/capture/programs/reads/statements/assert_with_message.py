"""assert with a message that is evaluated only when it fails."""

import kiln as kn
from tests.capture.show import attempt


def main(jit):
    built = []

    def message(n):
        built.append(n)
        return f"n is {n}"

    @jit
    def f(x, n):
        assert n < 3, message(n)
        return x * n

    for n in (1, 1, 1, 2, 3, 1, 5):
        attempt(f, kn.asarray([1.0]), n)
    return built
