"""Warnings under filters that change: shown once, always, as errors."""

import warnings

import kiln as kn
from tests.capture.show import attempt, show


def main(jit):
    @jit
    def f(x):
        y = x + 1
        warnings.warn(f"shape {x.shape}", UserWarning, stacklevel=1)
        return y * 2

    x = kn.asarray([1.0])
    for action in ("always", "always", "always", "error", "ignore", "always"):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter(action)
            attempt(f, x)
        show([(w.category.__name__, str(w.message), w.lineno) for w in caught])
