"""return and break in finally swallow exceptions and other returns."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x, kind):
        for i in range(3):
            try:
                if kind == "raise":
                    raise ValueError("lost")
                if kind == "return":
                    return x
                x = x + i
            finally:
                if kind == "raise":
                    break
                if kind == "return":
                    return x * 10
        return -x

    for kind in ("none", "none", "none", "raise", "return", "none"):
        show(f(kn.asarray([1.0]), kind))
