"""A metaclass keeps one instance of each class, and makes another when it is told to."""

import kiln as kn
from tests.capture.show import show


class Single(type):
    kept = {}
    calls = 0

    def __call__(cls, *args, **kwargs):
        Single.calls += 1
        if cls not in Single.kept:
            Single.kept[cls] = super().__call__(*args, **kwargs)
        return Single.kept[cls]


class Config(metaclass=Single):
    def __init__(self, scale=1.0):
        self.scale = scale


def main(jit):
    @jit
    def f(x):
        return x * Config(2.0).scale + Single.calls

    x = kn.asarray([1.0])
    for _ in range(5):
        show(f(x))
    Config().scale = 5.0
    show(f(x))
    Single.kept.clear()
    show(f(x), f(x))
    Single.__call__ = lambda cls, scale: type.__call__(cls, scale * 10)
    show(f(x))
