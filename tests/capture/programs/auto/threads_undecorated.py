"""Undecorated work in several threads at once."""

import threading

import kiln as kn
from tests.capture.show import show


def main(jit):
    results = {}

    def work(k):
        x = kn.full((5,), float(k))
        for i in range(100):
            x = kn.tanh(x) * 1.1 + k * 0.01
        results[k] = x

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    show([results[k] for k in range(4)])
