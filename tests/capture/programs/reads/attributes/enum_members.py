"""Enum members decide by identity; IntEnum and Flag take part in arithmetic."""

import enum

import kiln as kn
from tests.capture.show import show


class Kind(enum.Enum):
    ADD = 1
    MULTIPLY = 2


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 3


class Options(enum.Flag):
    NEGATE = 1
    HALVE = 2


def main(jit):
    @jit
    def f(x, kind, level, options):
        y = x + level if kind is Kind.ADD else x * level
        y = -y if Options.NEGATE in options else y
        return y / 2 if options & Options.HALVE else y

    x = kn.asarray([2.0, 4.0])
    none = Options(0)
    for arguments in (
        (Kind.ADD, Level.LOW, none),
        (Kind.ADD, Level.LOW, none),
        (Kind.ADD, Level.LOW, none),
        (Kind.MULTIPLY, Level.LOW, none),
        (Kind.ADD, Level.HIGH, Options.NEGATE),
        (Kind.ADD, 1, Options.NEGATE | Options.HALVE),
        (1, True, Options.HALVE),
    ):
        show(f(x, *arguments))
