"""A function counts its calls in an attribute of its own, and keeps its last result in another."""

import kiln as kn
from tests.capture.show import attempt, show


def helper(x):
    helper.calls += 1
    helper.last = x * helper.calls
    return helper.last


def main(jit):
    @jit
    def f(x):
        return helper(x) + len(helper.note) + hasattr(helper, "extra") * 1000

    helper.calls, helper.note = 0, "a"
    for i in range(6):
        if i == 4:
            helper.note, helper.extra = "abc", 1
        show(f(kn.asarray([1.0])), helper.calls, helper.last)
    helper.__name__ = "another"
    del helper.note
    attempt(f, kn.asarray([1.0]))
