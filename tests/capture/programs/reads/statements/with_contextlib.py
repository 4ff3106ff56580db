"""contextlib.contextmanager, ExitStack and suppress, in one function."""
# pytorch/pytorch#134030

import contextlib

import kiln as kn
from tests.capture.show import show

LEVEL = 0


@contextlib.contextmanager
def deeper(by):
    global LEVEL
    LEVEL += by
    try:
        yield LEVEL
    finally:
        LEVEL -= by


def main(jit):
    @jit
    def f(x, n):
        with contextlib.ExitStack() as stack:
            for i in range(n):
                x = x * 2 + stack.enter_context(deeper(i + 1))
            with contextlib.suppress(ZeroDivisionError):
                x = x + 1 / (n - 2)
            return x + LEVEL * 100

    for n in (1, 1, 1, 2, 3, 0):
        show(f(kn.asarray([1.0]), n), LEVEL)
