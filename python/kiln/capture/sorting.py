"""sorted() and list.sort(): by constants at once, by anything else with the comparisons that Python would make."""

from __future__ import annotations

from typing import Any

from kiln.capture import containers, operations
from kiln.capture.values import NotReplayable, Raised, is_constant

LONGEST = 63  # up to here Python sorts by insertion, which `_by_insertion` repeats; longer lists are merged
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
    if backwards:  # equal ones stay in their order
        order.reverse()

    def less(a: int, b: int) -> bool:
        try:
            return machine.truth(operations.compare(machine, _LESS, keys[a], keys[b]))
        except Raised as raised:  # what a list that is being sorted looks like then is not known
            raise NotReplayable(f"{type(raised.error).__name__} while it sorts") from None

    _by_insertion(order, less)
    if backwards:
        order.reverse()
    return order


def _by_insertion(items: list[int], less: Any) -> None:
    """As CPython's Objects/listobject.c: a run from the start, then each further item into its place by bisection.

    The comparisons are the same ones, so that the result is too where they contradict each other.
    """
    if len(items) < 2:
        return
    run = 2
    descending = less(items[1], items[0])
    while run < len(items) and less(items[run], items[run - 1]) == descending:
        run += 1
    if descending:
        items[:run] = items[:run][::-1]
    for start in range(run, len(items)):
        pivot = items.pop(start)
        low, high = 0, start
        while low < high:
            middle = (low + high) // 2
            if less(pivot, items[middle]):
                high = middle
            else:
                low = middle + 1
        items.insert(low, pivot)
