"""A frozen dataclass as argument and as captured value; assigning in it raises."""

import dataclasses

import kiln as kn
from tests.capture.show import attempt


@dataclasses.dataclass(frozen=True)
class Shape:
    rows: int
    columns: int = 2


def main(jit):
    shape = Shape(1)

    @jit
    def f(x, other):
        if other.rows > 3:
            other.rows = 0
        return kn.reshape(x, (shape.rows * other.rows, -1)) + other.columns, hash(shape) == hash(other)

    x = kn.asarray([1.0, 2.0, 3.0, 4.0])
    for other in (Shape(1), Shape(1), Shape(1), Shape(2), Shape(1, 3), Shape(4), Shape(1)):
        attempt(f, x, other)
    shape = Shape(2)
    attempt(f, x, Shape(1))
