"""A lock is held, a queue filled and drained inside the function."""

import queue
import threading

import kiln as kn
from tests.capture.show import show


def main(jit):
    lock, jobs = threading.Lock(), queue.Queue()

    @jit
    def f(x):
        with lock:
            jobs.put(x + 1)
            busy = lock.locked()
        y = jobs.get_nowait()
        if jobs.empty() and busy:
            jobs.put(y * 2)
        return y

    for i in range(5):
        show(f(kn.asarray([float(i)])), jobs.qsize(), lock.locked())
    while not jobs.empty():
        show(jobs.get())
