"""The function returns a closure, which is called after more calls were made."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x, k):
        y = x * k

        def later(z):
            return y + z * k

        return later

    x = kn.asarray([1.0, 2.0])
    made = [f(x, k) for k in (1, 1, 1, 2, 3)]
    for later in made:
        show(later(x))
