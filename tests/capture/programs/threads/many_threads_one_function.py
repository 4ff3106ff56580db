"""Eight threads call one function with inputs of their own; no result is another's."""

import threading

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x, k):
        return kn.sum(kn.tanh(x * k)) + k

    results = {}

    def work(i):
        results[i] = [f(kn.ones((i + 1,)), float(i)) for _ in range(10)]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    show({i: (len(results[i]), results[i][0], len({r.item() for r in results[i]})) for i in range(8)})
