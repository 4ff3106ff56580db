"""A captured StringIO collects; its position and content are read back."""

import io

import kiln as kn
from tests.capture.show import show


def main(jit):
    buffer = io.StringIO()

    @jit
    def f(x):
        buffer.write("ab")
        return x * buffer.tell() + len(buffer.getvalue())

    for i in range(6):
        if i == 3:
            buffer.seek(0)
            buffer.truncate()
        show(f(kn.asarray([1.0])))
    show(buffer.getvalue())
