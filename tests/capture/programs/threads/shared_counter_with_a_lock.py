"""Threads add to shared state under a lock; the sum is that of all calls."""

import threading

import kiln as kn
from tests.capture.show import show


def main(jit):
    lock, total = threading.Lock(), kn.zeros((2,))
    state = {"calls": 0}

    @jit
    def f(x):
        with lock:
            state["calls"] += 1
            total.__iadd__(x)
        return x * 2

    threads = [threading.Thread(target=lambda: [f(kn.ones((2,))) for _ in range(20)]) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    show(total, state)
    show(f(total), state)
