"""A container class with __getitem__, __setitem__ and __delitem__ over slices and tuples."""

import kiln as kn
from tests.capture.show import show


class Grid:
    def __init__(self):
        self.cells, self.log = {}, []

    def __getitem__(self, key):
        self.log.append(("get", str(key)))
        return self.cells.get(str(key), 1.0)

    def __setitem__(self, key, value):
        self.cells[str(key)] = value

    def __delitem__(self, key):
        del self.cells[str(key)]


def main(jit):
    grid = Grid()

    @jit
    def f(x, i):
        grid[i, 1:2] = grid[i, 1:2] + i
        grid[...] = x
        if i > 2:
            del grid[...]
        return grid[...] * grid[i, 1:2]

    for i in (1, 1, 1, 2, 3, 1):
        show(f(kn.asarray([1.0, 2.0]), i))
    return grid
