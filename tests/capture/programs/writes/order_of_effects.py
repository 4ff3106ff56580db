"""Effects of several kinds in one call keep their order."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    log = []

    class Noisy:
        def __setattr__(self, name, value):
            log.append((name, value))
            object.__setattr__(self, name, value)

    noisy = Noisy()

    @jit
    def f(x, n):
        log.append("start")
        noisy.a = n
        x = x * noisy.a
        noisy.b = x.shape
        log.append(len(log))
        noisy.a = n + 1
        return x

    for n in (1, 1, 1, 2, 3):
        show(f(kn.asarray([1.0]), n), log)
        log.clear()
