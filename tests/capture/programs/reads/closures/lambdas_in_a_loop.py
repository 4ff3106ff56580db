"""Lambdas made in a loop all see the loop variable's last value, unless a default keeps it."""
# tensorflow/tensorflow#56089

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x, count):
        late = [lambda: x * i for i in range(count)]
        kept = [lambda i=i: x * i for i in range(count)]
        total = x * 0
        for function in late:
            total = total + function()
        return total, [function() for function in kept]

    x = kn.asarray([1.0])
    for count in (3, 3, 3, 2, 4, 3):
        show(f(x, count))
