"""+= on names, attributes, items and slices: in place where the object can, anew where not."""

import kiln as kn
from tests.capture.show import show


class Holder:
    pass


def main(jit):
    holder = Holder()
    holder.items, holder.number, holder.tensor = [1], 1, kn.asarray([1.0])
    alias, tensor = holder.items, holder.tensor

    @jit
    def f(x, extra):
        holder.items += [extra]
        holder.number += extra
        holder.tensor += x
        holder.items[0] *= 2
        return x * holder.number + len(alias)

    for extra in (1, 1, 1, 2, 3, 4, 5, 1):
        show(f(kn.asarray([1.0]), extra), alias, tensor, holder.items is alias)
    return holder, alias
