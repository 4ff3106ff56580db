"""A child process after fork calls the function with its own state; the parent's is untouched."""

import os
import warnings

import kiln as kn
from tests.capture.show import show


def main(jit):
    state = {"k": 1.0}

    @jit
    def f(x):
        state["k"] += 1
        return x * state["k"]

    x = kn.asarray([1.0])
    show(f(x), f(x), f(x))
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pid = os.fork()
    if pid == 0:
        try:
            state["k"] = 100.0
            os.write(write, f"{f(x).item()} {f(x).item()} {state}".encode())
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    os.close(write)
    with os.fdopen(read) as answers:
        show(answers.read())
    show(f(x), state)
