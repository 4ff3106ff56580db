"""A generator made by one thread is continued by another."""

import threading

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def step(x, k):
        return x * 2 + k

    def steps(x):
        k = 0
        while True:
            x = step(x, k)
            k = yield x

    generator = steps(kn.asarray([1.0]))
    seen = [next(generator)]
    for i in range(4):
        t = threading.Thread(target=lambda: seen.append(generator.send(i)))
        t.start()
        t.join()
    seen.append(generator.send(9))
    show(seen)
