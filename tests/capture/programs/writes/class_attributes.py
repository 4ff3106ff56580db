"""A class's attributes are assigned and read again: through the class, a subclass, an instance that has its own."""

import kiln as kn
from tests.capture.show import attempt, show


class Base:
    total = 0.0
    last = None


class Derived(Base):
    pass


def main(jit):
    one, other = Derived(), Derived()

    @jit
    def f(x, k):
        Base.total += k
        Base.last = x
        Derived.mark = Base.total * 2
        return one.total + x, Derived.total, other.mark, one.last + 1

    for k in (1.0, 1.0, 1.0, 2.0, 0.5):
        attempt(f, kn.asarray([k]), k)
        show(Base.total, Base.last, vars(Derived).get("mark"))
    one.total = 100.0
    attempt(f, kn.asarray([3.0]), 1.0)
    attempt(f, kn.asarray([3.0]), 1.0)
    Derived.total = -1.0
    attempt(f, kn.asarray([3.0]), 1.0)
    attempt(f, kn.asarray([3.0]), 1.0)
    Derived.mark = property(lambda self: "no longer a plain one")
    attempt(f, kn.asarray([3.0]), 1.0)
