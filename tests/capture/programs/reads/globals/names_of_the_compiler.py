"""Variables that a compiler might use itself: inf, nan, device, self, result, args, _."""
# pytorch/pytorch#97688

import kiln as kn
from tests.capture.show import show

nan, result, rec = 2.0, 3.0, 5.0


def main(jit):
    @jit
    def f(x, inf, *args, _=1.0, **device):
        self = x + inf * nan
        return self * result + rec + sum(args) + _ + sum(device.values())

    x = kn.asarray([1.0, 2.0])
    for inf in (3, 3, 3, 4, 3.5):
        show(f(x, inf), f(x, inf, 1.0, _=2.0, m=7.0))
    globals()["rec"] = -5.0
    show(f(x, 3))
