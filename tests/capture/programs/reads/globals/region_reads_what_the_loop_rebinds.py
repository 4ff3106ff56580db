"""A helper reads a global object that its caller rebinds in a loop."""
# pytorch/pytorch#191821

from dataclasses import dataclass

import kiln as kn
from tests.capture.show import show


@dataclass
class Box:
    hidden: object


box = None


def step():
    return box.hidden + 1


def main(jit):
    @jit
    def f(hidden, count):
        global box
        for _ in range(count):
            box = Box(hidden)
            hidden = step()
        return hidden

    for count in (2, 2, 2, 3, 1, 2):
        show(f(kn.asarray([0.0, 10.0]), count), box)
