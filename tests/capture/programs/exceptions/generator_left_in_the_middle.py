"""A generator is dropped while it is inside of try and with: Python runs the rest of both."""

import kiln as kn
from tests.capture.show import show


class Scope:
    def __init__(self, log):
        self.log = log

    def __enter__(self):
        self.log.append("in")

    def __exit__(self, *error):
        self.log.append("out")


def main(jit):
    log = []

    def halves(x):
        try:
            with Scope(log):
                while True:
                    yield x
                    x = x * 0.5
        finally:
            log.append("end")

    @jit
    def f(x, ends):
        values = halves(x)
        y = next(values) + next(values)
        if ends:
            values.close()
        log.append("after")
        return y

    for ends in (False, False, False, True, True, True, False):
        show(f(kn.asarray([1.0]), ends), log)
        log.clear()
