"""keys, values and items views taken once stay live views of the dict."""
# pytorch/pytorch#150110

import kiln as kn
from tests.capture.show import show


def main(jit):
    table = {"a": 1.0}
    keys, values = table.keys(), table.values()

    @jit
    def f(x):
        return x * len(keys) + sum(values), ("b" in keys), table.items()

    x = kn.asarray([1.0])
    for i in range(6):
        if i >= 3:
            table["abc"[i - 3]] = float(i)
        y, known, items = f(x)
        show(y, known, list(items), type(items).__name__)
