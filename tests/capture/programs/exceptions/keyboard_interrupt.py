"""KeyboardInterrupt and SystemExit raised inside pass through, and the function works afterwards."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    log = []

    @jit
    def f(x, kind):
        y = x * 2
        log.append("before")
        if kind is not None:
            raise kind
        log.append("after")
        return y + len(log)

    for kind in (None, None, None, KeyboardInterrupt, None, SystemExit(3), GeneratorExit, None):
        try:
            show(f(kn.asarray([1.0]), kind))
        except BaseException as error:
            show(type(error).__name__, error.args)
    return log
