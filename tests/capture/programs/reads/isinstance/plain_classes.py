"""isinstance decides; subclasses and unrelated classes come later."""

import kiln as kn
from tests.capture.show import show


class Animal:
    legs = 4


class Bird(Animal):
    legs = 2


def main(jit):
    @jit
    def f(x, thing):
        if isinstance(thing, Bird):
            return x + thing.legs
        if isinstance(thing, (Animal, str)):
            return x * len(getattr(thing, "legs", thing)) if isinstance(thing, str) else x * thing.legs
        return x

    x = kn.asarray([1.0])
    for thing in (Animal(), Animal(), Animal(), Bird(), "abc", None, Animal, Animal()):
        show(f(x, thing))
