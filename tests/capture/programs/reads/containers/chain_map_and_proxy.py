"""ChainMap and mappingproxy look through to dicts that change."""

import collections
import types

import kiln as kn
from tests.capture.show import show


def main(jit):
    local, base = {}, {"scale": 1.0}
    chained = collections.ChainMap(local, base)
    proxy = types.MappingProxyType(base)

    @jit
    def f(x):
        return x * chained["scale"] + proxy["scale"]

    x = kn.asarray([1.0])
    show(f(x), f(x), f(x))
    base["scale"] = 2.0
    show(f(x))
    local["scale"] = 5.0
    show(f(x))
    del local["scale"]
    show(f(x))
