"""Two tensors in a list change places, then one is both."""
# pytorch/pytorch#103563

import kiln as kn
from tests.capture.show import show


def main(jit):
    a, b = kn.asarray([1.0, 2.0]), kn.asarray([10.0, 20.0])
    held = [a, b]

    @jit
    def f(x):
        grid = [[0, 0], [0, 0]]
        for i in range(2):
            grid[i][0] = held[i]
            grid[i][1] = grid[i][0] + x
        return grid[0][1] * 2 - grid[1][1], held[0] is held[1]

    x = kn.asarray([1.0, 1.0])
    show(f(x), f(x), f(x))
    held[0], held[1] = b, a
    show(f(x))
    held[0] = a
    show(f(x))
    held[:] = [kn.asarray([1.0, 2.0]), a]
    show(f(x))
