"""Items that change from call to call are read after the call has put something into their list, dict or deque."""

import collections

import kiln as kn
from tests.capture.show import show


def main(jit):
    items, table, window = [1.0, 2.0], {"a": 1.0}, collections.deque([1.0, 2.0])

    @jit
    def f(x):
        items.append(0.0)
        table["new"] = 0.0
        window.append(0.0)
        y = x * items[0] + items[-2] * 10 + table["a"] * 100 + window[0] * 1000
        total = sum(items) + sum(table.values()) + sum(window)
        items.pop()
        del table["new"]
        window.pop()
        return y, total

    x = kn.asarray([1.0])
    for i in (0, 0, 0, 1, 2, 3, 4):
        items[0], table["a"], window[0] = float(i), i * 0.5, i * 2.0
        show(f(x))
        items[1] = 2.0 + (i > 2)
    show(items, table, window)
