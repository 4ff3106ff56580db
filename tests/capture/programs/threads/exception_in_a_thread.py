"""An exception in one thread leaves the other threads' calls alone."""

import threading

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x, n):
        y = x * 2
        if n == 3:
            raise ValueError(f"n is {n}")
        return y + n

    results = {}

    def work(n):
        out = []
        for _ in range(5):
            try:
                out.append(f(kn.asarray([1.0]), n))
            except ValueError as error:
                out.append(str(error))
        results[n] = out

    threads = [threading.Thread(target=work, args=(n,)) for n in range(5)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    show({n: results[n] for n in sorted(results)})
