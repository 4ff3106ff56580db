"""A tracing function is installed for some of the calls: it sees lines, results do not change."""

import sys

import kiln as kn
from tests.capture.show import show


def main(jit):
    lines = []

    @jit
    def f(x):
        y = x * 2
        return y + 1

    def trace(frame, event, argument):
        if frame.f_code.co_name == "f" and event in ("line", "return"):
            lines.append((event, frame.f_lineno))
        return trace

    for i in range(7):
        if i in (3, 5):
            sys.settrace(trace)
        y = f(kn.asarray([float(i)]))
        sys.settrace(None)
        show(y)
    show(lines)
