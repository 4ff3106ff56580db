"""os.environ and a context variable are read and set."""

import contextvars
import os

import kiln as kn
from tests.capture.show import show

scale = contextvars.ContextVar("scale", default=1.0)


def main(jit):
    @jit
    def f(x):
        token = scale.set(scale.get() + 1)
        y = x * scale.get() * float(os.environ.get("CAPTURE_SCALE", "1"))
        if y.shape == (2,):
            scale.reset(token)
        return y

    try:
        for i, n in enumerate((2, 2, 2, 1, 2, 2)):
            if i == 2:
                os.environ["CAPTURE_SCALE"] = "10"
            show(f(kn.ones((n,))), scale.get())
    finally:
        del os.environ["CAPTURE_SCALE"]
