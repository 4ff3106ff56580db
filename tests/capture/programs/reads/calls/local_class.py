"""A class made inside, whose methods write into the function's containers."""
# pytorch/pytorch#197896

import kiln as kn
from tests.capture.show import show


def main(jit):
    state, log = {"n": 0}, []

    @jit
    def f(x):
        class Helper:
            def touch(self, y):
                state["n"] += 1
                log.append(y.shape)
                return y * state["n"]

        return Helper().touch(x)

    for size in (2, 2, 2, 3, 2):
        show(f(kn.ones((size,))), state, log)
