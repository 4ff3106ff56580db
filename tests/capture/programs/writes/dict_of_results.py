"""Results are stored under computed keys, replaced, and removed again."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    store = {}

    @jit
    def f(x, step):
        store[f"y{step % 3}"] = x * step
        if step > 3:
            store.pop(f"y{(step + 1) % 3}", None)
        store.update(last=step)
        return sum(v for k, v in store.items() if k != "last")

    for step in range(20):
        show(f(kn.asarray([1.0]), step), list(store))
    return store
