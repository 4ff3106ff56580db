"""Another thread writes to what the function reads while the function waits for it."""

import threading

import kiln as kn
from tests.capture.show import show


def main(jit):
    box, asked, answered = {"k": 0.0}, threading.Semaphore(0), threading.Semaphore(0)

    @jit
    def f(x):
        y = x * (box["k"] + 1)
        asked.release()
        answered.acquire(timeout=1)
        return y + box["k"]

    def other(values):
        for value in values:
            asked.acquire(timeout=1)
            box["k"] = value
            answered.release()

    values = (0.0, 0.0, 0.0, 5.0, 7.0)
    t = threading.Thread(target=other, args=(values,))
    t.start()
    for _ in values:
        show(f(kn.asarray([1.0])))
    t.join()
