"""Another thread changes a global between this thread's calls, in step by events."""

import threading

import kiln as kn
from tests.capture.show import show

SCALE = 1.0


def main(jit):
    global SCALE
    turn, done = threading.Semaphore(0), threading.Semaphore(0)

    @jit
    def f(x):
        return x * SCALE

    def changer():
        global SCALE
        for value in (1.0, 1.0, 5.0, -1.0):
            turn.acquire()
            SCALE = value
            done.release()

    t = threading.Thread(target=changer)
    t.start()
    for _ in range(4):
        show(f(kn.asarray([1.0])))
        turn.release()
        done.acquire()
    show(f(kn.asarray([1.0])))
    t.join()
