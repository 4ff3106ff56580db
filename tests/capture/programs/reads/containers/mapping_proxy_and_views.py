"""A mappingproxy and views that were taken long ago: looked into, counted, iterated over and compared with nothing."""

import types

import kiln as kn
from tests.capture.show import attempt, show


def main(jit):
    table = {"a": 1.0, "b": 2.0}
    proxy, items = types.MappingProxyType(table), table.items()

    @jit
    def f(x, key):
        y = x * proxy.get(key, 10.0) + len(proxy) * 100 + (key in proxy) + sum(v for _, v in items)
        return y if proxy else -y, proxy[key]

    x = kn.asarray([1.0])
    for key in ("a", "a", "a", "b", "c", "a"):
        attempt(f, x, key)
    table["c"] = 5.0
    attempt(f, x, "c")
    table["a"] = 7.0
    attempt(f, x, "a")
    table.clear()
    attempt(f, x, "a")
    proxy = types.MappingProxyType({"a": -1.0})
    attempt(f, x, "a")
    show(list(items))
