"""for over ranges whose bounds data gives, or an argument that varies; left early, counted down, with the counter used afterwards."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def powers(x, n):
        for _ in range(int(n)):
            x = x * 0.5 + 1.0
        return x

    @jit
    def triangular(x, first, end, step):
        total = i = 0
        for i in range(first, end, step):
            if i % 3 == 0:
                continue
            x = x + i
            total += i
            if total > 60:
                break
        else:
            total = -total
        return x, total, i

    @jit
    def rows(x, n):
        out = []
        for i in range(n):
            out.append(x[i] * i)
        return out

    @jit
    def grid(n, m):
        x = kn.zeros((2,))
        for i in range(n):
            for j in range(int(m)):
                x = x * 0.5 + i * j
        return x

    start = kn.asarray([1.0, 2.0])
    for n in (3, 3, 3, 5, 0, 40, -1, 1):
        show(powers(start, kn.asarray(n)))
    for first, end, step in ((0, 9, 1), (0, 9, 1), (0, 12, 1), (0, 30, 1), (9, 0, -1), (12, -3, -2), (4, 4, 1), (2, 90, 7), (0, True, 1)):
        show(triangular(start, first, end, step))
    for n in (2, 2, 3, 1, 0, 2):
        show(rows(kn.reshape(kn.arange(6.0), (3, 2)), n))
    for n, m in ((2, 3), (2, 3), (2, 4), (3, 4), (1, 1), (0, 5)):
        show(grid(n, kn.asarray(m)))
    for n, step in ((4, 0), (7, 0)):
        try:
            triangular(start, 0, n, step)
        except ValueError as e:
            print(e)
    try:
        rows(kn.reshape(kn.arange(6.0), (3, 2)), 5)
    except IndexError as e:
        print(e)
