"""__getattr__ answers for names that are not there, until one is."""

import kiln as kn
from tests.capture.show import attempt, show


class Config:
    def __init__(self):
        self.values = {"scale": 1.0}

    def __getattr__(self, name):
        try:
            return self.__dict__["values"][name]
        except KeyError:
            raise AttributeError(name) from None


def main(jit):
    config = Config()

    @jit
    def f(x):
        return x * config.scale + getattr(config, "bias", 0.5)

    x = kn.asarray([1.0])
    show(f(x), f(x), f(x))
    config.values["scale"] = 2.0
    show(f(x))
    config.values["bias"] = 7.0
    show(f(x))
    config.scale = 3.0
    show(f(x))
    del config.values["scale"], config.scale
    attempt(f, x)
