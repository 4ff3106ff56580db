"""The containers of the module collections that are written in C: deque, OrderedDict, defaultdict."""

from __future__ import annotations

import collections
from collections.abc import Iterator
from typing import Any

from kiln.capture import containers
from kiln.capture.recording import Recording
from kiln.capture.values import NotReplayable, Raised

deque, OrderedDict, defaultdict = collections.deque, collections.OrderedDict, collections.defaultdict


# ---- deque -----------------------------------------------------------------------------------------------------------


def new_deque(machine: Any, iterable: Any = (), maxlen: Any = None) -> deque:
    made = containers.pure_result(lambda: deque((), machine.rec.pin(maxlen)))
    made.extend(containers.iterate(machine, iterable))
    return machine.rec.make(made)


def maxlen_of(rec: Recording, target: deque) -> int | None:
    if id(target) not in rec.fresh:
        register = rec.operand(target)
        rec.load(target.maxlen, "get_attribute", register, rec.constant("maxlen"), path=f"{rec.name_of(target)}.maxlen")
    return target.maxlen


def iterate_deque(machine: Any, source: deque, backwards: bool = False) -> Iterator[Any]:
    """Its items, until it changes, which is an error in Python."""
    rec = machine.rec
    count = containers.length_of(machine, source)
    before = list(map(id, rec.content(source)))
    for i in reversed(range(count)) if backwards else range(count):
        if list(map(id, rec.content(source))) != before:
            raise NotReplayable("a deque changes while it is iterated over")
        yield containers.get_item(machine, source, i)
    if list(map(id, rec.content(source))) != before:
        raise NotReplayable("a deque changes while it is iterated over")


def change(machine: Any, target: Any, method: Any, *args: Any) -> None:
    """target.method(*args), of a method of C that gives nothing and needs no Python."""
    rec = machine.rec
    inside = rec.before_write(target)
    if type(target) is deque:
        maxlen_of(rec, target)
    if inside is not target:
        rec.operand(target)
        args = tuple(containers.stored(rec, a) for a in args)
        rec.effect("call", target, method, args)
    method(inside, *args)


def _pop(method: Any, index: int) -> Any:
    def pop(machine: Any, target: deque) -> Any:
        if containers.length_of(machine, target) == 0:
            raise Raised(IndexError("pop from an empty deque"))
        value = containers.get_item(machine, target, index)
        change(machine, target, method)
        return value

    return pop


def _extend(method: Any) -> Any:
    def extend(machine: Any, target: deque, items: Any) -> None:
        for item in list(containers.iterate(machine, items)):
            change(machine, target, method, item)

    return extend


def _rotate(machine: Any, target: deque, steps: Any = 1) -> None:
    containers.length_of(machine, target)
    change(machine, target, deque.rotate, machine.rec.pin(steps))


def _copy(machine: Any, target: deque) -> deque:
    made = deque((), maxlen_of(machine.rec, target))
    made.extend(containers.iterate(machine, target))
    return machine.rec.make(made)


# ---- dicts -----------------------------------------------------------------------------------------------------------


def new_ordered(machine: Any, *sources: Any, **named: Any) -> OrderedDict:
    made = machine.rec.make(OrderedDict())
    machine.call(dict.update, (made, *sources), named)
    return made


def new_default(machine: Any, factory: Any = None, *sources: Any, **named: Any) -> defaultdict:
    if factory is not None and not callable(factory):
        raise Raised(TypeError("first argument must be callable or None"))
    made = machine.rec.make(defaultdict(factory))
    machine.call(dict.update, (made, *sources), named)
    return made


def default_factory(rec: Recording, target: defaultdict) -> Any:
    if id(target) in rec.fresh:
        return target.default_factory
    register = rec.operand(target)
    path = f"{rec.name_of(target)}.default_factory"
    return rec.load(target.default_factory, "attribute", register, rec.constant("default_factory"), path=path)


def missing(machine: Any, target: defaultdict, key: Any) -> Any:
    """What a defaultdict does where it is read under a key that is not there."""
    factory = default_factory(machine.rec, target)
    if factory is None:
        raise Raised(KeyError(key))
    value = machine.call(factory, ())
    containers.set_item(machine, target, key, value)
    return value


def _move_to_end(machine: Any, target: OrderedDict, key: Any, last: Any = True) -> None:
    rec = machine.rec
    if not containers.contains(machine, target, key):
        raise Raised(KeyError(key))
    key, last = containers.check_key(machine, key), machine.truth(last)
    if id(target) not in rec.fresh:
        rec.read_whole(target)
    change(machine, target, OrderedDict.move_to_end, key, last)


def _popitem(machine: Any, target: Any, last: Any = True) -> tuple[Any, Any]:
    rec = machine.rec
    if id(target) not in rec.fresh:
        rec.read_whole(target)
    content = rec.content(target)
    if not content:
        raise Raised(KeyError("dictionary is empty" if type(target) is OrderedDict else "popitem(): dictionary is empty"))
    key = next(reversed(content) if machine.truth(last) else iter(content))
    value = containers.get_item(machine, target, key)
    containers.delete_item(machine, target, key)
    return key, value


def _copy_default(machine: Any, target: defaultdict) -> defaultdict:
    return new_default(machine, default_factory(machine.rec, target), target)


METHODS = {
    deque.append: lambda m, target, value: change(m, target, deque.append, value),
    deque.appendleft: lambda m, target, value: change(m, target, deque.appendleft, value),
    deque.clear: lambda m, target: change(m, target, deque.clear),
    deque.extend: _extend(deque.append),
    deque.extendleft: _extend(deque.appendleft),
    deque.pop: _pop(deque.pop, -1),
    deque.popleft: _pop(deque.popleft, 0),
    deque.rotate: _rotate,
    deque.copy: _copy,
    deque.__len__: lambda m, target: containers.length_of(m, target),
    deque.__reversed__: lambda m, target: m.rec.make(containers.ListedIterator(iterate_deque(m, target, backwards=True))),
    OrderedDict.move_to_end: _move_to_end,
    OrderedDict.popitem: _popitem,
    dict.popitem: lambda m, target: _popitem(m, target),
    defaultdict.copy: _copy_default,
    defaultdict.__missing__: missing,
}
MADE = {deque: new_deque, OrderedDict: new_ordered, defaultdict: new_default}


def build(builder: Any, value: Any) -> int | None:
    """Emits what makes one again; None: it is none of these."""
    rec, kind = builder.rec, type(value)
    if kind is deque:
        register = builder.emit("call", rec.constant(deque), rec.constant(()), rec.constant(value.maxlen), result=True)
        builder.keep(value, register)
        for item in value:
            builder.emit("call", rec.constant(deque.append), register, builder.build(item), result=True)
        return register
    if kind in (OrderedDict, defaultdict):
        parts = [] if kind is OrderedDict else [builder.build(value.default_factory)]
        register = builder.keep(value, builder.emit("call", rec.constant(kind), *parts, result=True))
        for key, item in value.items():
            builder.emit("set_item", register, builder.build(key), builder.build(item))
        return register
    return None


__all__ = ["MADE", "METHODS", "build", "default_factory", "iterate_deque", "maxlen_of", "missing"]
