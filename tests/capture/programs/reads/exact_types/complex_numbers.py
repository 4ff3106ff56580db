"""Complex scalars, one with a negative zero as its imaginary part."""

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x, z):
        return x * z, (z * 1j).real

    x = kn.asarray([1.0 + 1.0j])
    for z in (1 + 2j, 1 + 2j, 1 + 2j, 1 - 2j, complex(1, -0.0), complex(1, 0.0), 1):
        show(f(x, z))
