"""Identity between attributes decides, and is changed by the function itself."""
# pytorch/pytorch#196173

import kiln as kn
from tests.capture.show import show


class Holder:
    def __init__(self):
        self.left, self.right = object(), object()
        self.current = self.left


def main(jit):
    holder = Holder()

    @jit
    def f(x):
        is_left = holder.current is holder.left
        holder.current = holder.right if is_left else holder.left
        return x * x if is_left else -x

    for _ in range(6):
        show(f(kn.asarray([2.0, 3.0])), holder.current is holder.left)
