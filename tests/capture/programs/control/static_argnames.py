"""A mutable object named static: what is changed in it counts."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    class Options:
        power = 1

    @jit(static_argnames=("options",))
    def f(x, options):
        return x**options.power

    options, x = Options(), kn.asarray([2.0, 3.0])
    show(f(x, options=options), f(x, options=options), f(x, options=options))
    options.power = 2
    show(f(x, options=options))
    Options.power = 5
    del options.power
    show(f(x, options))
