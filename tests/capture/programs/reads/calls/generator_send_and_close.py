"""A coroutine-like generator gets values by send and an exception by throw."""

import kiln as kn
from tests.capture.show import show


def running_mean(log):
    total, count = 0.0, 0
    try:
        while True:
            try:
                value = yield total / max(count, 1)
            except ValueError as error:
                log.append(str(error))
                continue
            total, count = total + value, count + 1
    finally:
        log.append("closed")


def main(jit):
    @jit
    def f(x, steps):
        log = []
        generator = running_mean(log)
        next(generator)
        for i in range(steps):
            mean = generator.send(x * i)
        generator.throw(ValueError("skip"))
        generator.close()
        return mean, log

    for steps in (3, 3, 3, 1, 4):
        show(f(kn.asarray([1.0, 2.0]), steps))
