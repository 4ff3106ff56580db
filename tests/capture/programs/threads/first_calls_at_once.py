"""The very first calls come from several threads at the same moment."""

import threading

import kiln as kn
from tests.capture.show import show


def main(jit):
    barrier = threading.Barrier(6)
    made = []

    @jit
    def f(x, k):
        y = kn.sin(x) * k
        return kn.sum(y * y) + len(made) * 0

    results = [None] * 6

    def work(i):
        barrier.wait()
        results[i] = [f(kn.ones((4,)), i) for _ in range(5)]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    show([r[0] for r in results], [len({v.item() for v in r}) for r in results])
