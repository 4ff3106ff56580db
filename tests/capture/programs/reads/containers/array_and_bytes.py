"""array.array, bytes, bytearray and memoryview as sources of numbers."""

import array

import kiln as kn
from tests.capture.show import show


def main(jit):
    numbers, raw = array.array("d", [1.0, 2.0]), bytearray(b"\x01\x02")
    view = memoryview(raw)

    @jit
    def f(x):
        return x * numbers[0] + raw[1] + view[0] + b"\x05"[0]

    x = kn.asarray([1.0])
    show(f(x), f(x), f(x))
    numbers[0] = 3.0
    show(f(x))
    raw[1] = 200
    show(f(x))
    view[0] = 77
    show(f(x))
