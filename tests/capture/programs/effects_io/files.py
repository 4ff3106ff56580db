"""A file is written and read back in the middle of the function."""

import os
import tempfile

import kiln as kn
from tests.capture.show import show


def main(jit):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "log.txt")

        @jit
        def f(x):
            with open(path, "a") as file:
                file.write(f"{float(kn.sum(x)):.1f}\n")
            y = x * 2
            with open(path) as file:
                return y + len(file.readlines())

        for i in range(5):
            if i == 3:
                os.remove(path)
            show(f(kn.asarray([1.0, float(i)])))
        with open(path) as file:
            show(file.read())
