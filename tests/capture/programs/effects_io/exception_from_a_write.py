"""A file that is closed under the function raises at the write, after what came before it."""

import io

import kiln as kn
from tests.capture.show import attempt, show


def main(jit):
    stream, log = io.StringIO(), []

    @jit
    def f(x):
        y = x + 1
        log.append("counted")
        stream.write("x")
        log.append("written")
        return y * len(log)

    for i in range(6):
        if i == 4:
            stream.close()
        attempt(f, kn.asarray([1.0]))
    show(log)
