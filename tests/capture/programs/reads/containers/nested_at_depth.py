"""A value four levels down changes; nothing above it does."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    config = {"layers": [{"name": "first", "sizes": (1, [2.0, 3.0])}]}

    @jit
    def f(x):
        for layer in config["layers"]:
            x = x * layer["sizes"][1][0] + len(layer["name"])
        return x

    x = kn.asarray([1.0])
    show(f(x), f(x), f(x))
    config["layers"][0]["sizes"][1][0] = 7.0
    show(f(x))
    config["layers"][0]["name"] = "other!"
    show(f(x))
    config["layers"].append(config["layers"][0])
    show(f(x))
