"""A threading.local that the function reads: each thread has its own."""

import threading

import kiln as kn
from tests.capture.show import show

local = threading.local()


def main(jit):
    @jit
    def f(x):
        return x * getattr(local, "scale", 100.0)

    results = {}

    def work(i):
        before = f(kn.asarray([1.0]))
        local.scale = float(i)
        results[i] = [before] + [f(kn.asarray([1.0])) for _ in range(4)]

    local.scale = 7.0
    show(f(kn.asarray([1.0])), f(kn.asarray([1.0])), f(kn.asarray([1.0])))
    for i in range(3):
        t = threading.Thread(target=work, args=(i,))
        t.start()
        t.join()
    show(results, f(kn.asarray([1.0])))
