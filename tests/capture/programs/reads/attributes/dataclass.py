"""A dataclass with defaults and a factory; fields are replaced and changed at depth."""

import dataclasses

import kiln as kn
from tests.capture.show import show


@dataclasses.dataclass
class Options:
    scale: float = 1.0
    offsets: list = dataclasses.field(default_factory=lambda: [0.0, 1.0])


def main(jit):
    @jit
    def f(x, options):
        made = dataclasses.replace(options, scale=options.scale + 1)
        return x * made.scale + options.offsets[-1], made == options, made

    options = Options()
    x = kn.asarray([1.0])
    show(f(x, options), f(x, options), f(x, options))
    options.scale = 2.0
    show(f(x, options))
    options.offsets.append(9.0)
    show(f(x, options), f(x, Options()))
