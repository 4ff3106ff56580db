"""Every part of a try statement, with exceptions that depend on a Python value."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    log = []

    @jit
    def f(x, divisor):
        try:
            y = x * (6 // divisor)
        except ZeroDivisionError:
            y = x - 1
        except (TypeError, ValueError) as error:
            log.append(type(error).__name__)
            y = x - 2
        else:
            y = y + 100
        finally:
            log.append(divisor)
        return y

    for divisor in (2, 2, 2, 0, 3, "a", 2.0):
        show(f(kn.asarray([1.0]), divisor))
    return log
