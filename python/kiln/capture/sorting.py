"""sorted() and list.sort(): by constants at once, by anything else with the comparisons that Python would make."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kiln.capture import containers, operations
from kiln.capture.values import NotReplayable, Raised, is_constant

LONGEST = 63  # up to here each comparison is checked; of longer lists, each value
_LESS = 0


def order_of(machine: Any, keys: list[Any], reverse: Any) -> list[int]:
    """The positions of keys in their order."""
    rec = machine.rec
    backwards = machine.truth(reverse)
    order = list(range(len(keys)))
    if all(is_constant(k) for k in keys):
        return containers.pure_result(lambda: sorted(order, key=keys.__getitem__, reverse=backwards))
    if len(keys) > LONGEST:
        keys = [rec.pin_all(k) for k in keys]
        if not all(is_constant(k) for k in keys):
            raise NotReplayable(f"it sorts more than {LONGEST} things that are not constants")
        return containers.pure_result(lambda: sorted(order, key=keys.__getitem__, reverse=backwards))

    def less(a: int, b: int) -> bool:
        try:
            return machine.truth(operations.compare(machine, _LESS, keys[a], keys[b]))
        except Raised as raised:  # what a list that is being sorted looks like then is not known
            raise NotReplayable(f"{type(raised.error).__name__} while it sorts") from None

    return [place.number for place in sorted((_Place(n, less) for n in order), reverse=backwards)]


class _Place:
    """What Python itself sorts: it makes the comparisons that the running version makes, which matters where they contradict each other."""

    __slots__ = ("less", "number")

    def __init__(self, number: int, less: Callable[[int, int], bool]) -> None:
        self.number, self.less = number, less

    def __lt__(self, other: _Place) -> bool:
        return self.less(self.number, other.number)
