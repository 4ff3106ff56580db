"""Lists, dicts, tuples, sets, strings and tensors as containers: items, iteration, membership, changes."""

from __future__ import annotations

import collections
import types
from collections.abc import Iterator
from typing import Any

from kiln.capture import assignments, attributes, collected, library, operations, polyfills
from kiln.capture.frames import InterpretedGenerator
from kiln.capture.recording import class_value, keys_of
from kiln.capture.values import HEAP_TYPE, MISSING, NotReplayable, Raised, Symbol, is_constant, is_static, is_tensor, unknown

_ADD, _LESS, _GREATER = 0, 0, 4  # by the numbers of operations.BINARY and operations.COMPARE
SEQUENCES = (list, tuple, collections.deque)
_DICTS = (dict, collections.OrderedDict, collections.defaultdict)


class LiveIterator:
    """iter() of a list, tuple, string or tensor: by index, so that what is appended meanwhile is seen."""

    __slots__ = ("index", "source")

    def __init__(self, source: Any) -> None:
        self.source, self.index = source, 0


class ListedIterator:
    """An iterator over what is known from the start: keys, ranges, sets."""

    __slots__ = ("items",)

    def __init__(self, items: Iterator[Any]) -> None:
        self.items = items


class CountingIterator:
    """iter(range(next, stop, step)) whose bounds are not known: it counts as `while next < stop` does, so that any number of items is
    one loop."""

    __slots__ = ("next", "step", "stop")

    def __init__(self, start: Symbol, stop: Any, step: int) -> None:
        self.next, self.stop, self.step = start, stop, step


class OpenRange:
    """range(start, stop, step) of numbers that are not known, between the call and the loop over it."""

    __slots__ = ("start", "step", "stop")

    def __init__(self, start: Any, stop: Any, step: int) -> None:
        self.start, self.stop, self.step = start, stop, step


def open_range(machine: Any, args: tuple) -> OpenRange | None:
    """range(*args) where a loop comes next and a bound is not known; None where another range will do."""
    if not 1 <= len(args) <= 3 or not machine.is_next("GET_ITER"):
        return None
    start, stop = (0, args[0]) if len(args) == 1 else args[:2]
    step = operations.index_of(machine, args[2]) if len(args) == 3 else 1
    bounds = [a.value if type(a) is Symbol else a for a in (start, stop)]
    if step == 0 or not any(type(a) is Symbol for a in (start, stop)) or not all(type(b) is int for b in bounds):
        return None
    return OpenRange(start, stop, step)


def is_iterator(value: Any) -> bool:
    return isinstance(value, (LiveIterator, ListedIterator, CountingIterator, InterpretedGenerator))


def is_dict(machine: Any, value: Any, method: str) -> bool:
    """Does a method do with the value what it does with a dict, or an OrderedDict? So it is unless a subclass has its own."""
    kind = type(value)
    if kind in _DICTS:
        return True
    if not issubclass(kind, dict):
        return False
    found = attributes.check_class(machine.rec, kind, method) if kind.__flags__ & HEAP_TYPE else class_value(kind, method)
    return getattr(found, "__objclass__", None) in _DICTS


def iterator(machine: Any, value: Any) -> Any:
    """iter(value)."""
    rec = machine.rec
    if type(value) is OpenRange:
        return rec.make(CountingIterator(operations.carried(rec, value.start), value.stop, value.step))
    value = rec.pin(value)
    kind = type(value)
    if is_iterator(value):
        return value
    if is_tensor(value):
        if value.ndim == 0:
            raise NotReplayable("it iterates over a tensor without dimensions")
        attributes.get_attribute(machine, value, "shape")
        return rec.make(LiveIterator(value))
    if kind in (str, bytes, range, frozenset) and is_constant(value):
        return rec.make(ListedIterator(iter(rec.content(value))))
    if kind in (list, tuple):
        return rec.make(LiveIterator(value))
    if isinstance(value, tuple):
        return rec.make(ListedIterator(iter([_item_of_tuple(machine, value, i) for i in range(len(value))])))
    if isinstance(value, dict) and is_dict(machine, value, "__iter__"):
        return iterator_of_dict(machine, value)
    if library.is_view(value):
        source = library.viewed(rec, value)
        return rec.make(ListedIterator(while_unchanged(machine, source, view_items(machine, value))))
    if kind is types.MappingProxyType:
        return iterator(machine, library.viewed(rec, value))
    if kind is collections.deque:
        return rec.make(ListedIterator(collected.iterate_deque(machine, value)))
    if kind is set:
        if id(value) in rec.mutated:
            raise NotReplayable("it iterates over a set that it has changed")  # whose order follows from how it came to be
        rec.read_whole(value)
        return rec.make(ListedIterator(iter(list(value))))
    if isinstance(value, type):
        maker = attributes.check_class(rec, type(value), "__iter__")
    else:
        maker = attributes.check_class(rec, kind, "__iter__") if not is_static(value) else MISSING
    if callable(maker) and hasattr(maker, "__code__"):
        return iterator(machine, machine.call(maker, (value,)))
    if isinstance(value, list) and kind.__flags__ & HEAP_TYPE and maker is list.__iter__ and _is_plain_list(machine, value):
        return rec.make(LiveIterator(value))
    if attributes.check_class(rec, kind, "__next__") is not MISSING:
        return value
    if maker is MISSING and hasattr(attributes.check_class(rec, kind, "__getitem__"), "__code__"):
        return machine.call(polyfills.items_of, (value,))
    raise NotReplayable(f"it iterates over a {kind.__name__}")


def iterator_of_dict(machine: Any, value: dict) -> ListedIterator:
    return machine.rec.make(ListedIterator(while_unchanged(machine, value, list(whole_dict(machine, value)))))


def advance(machine: Any, source: Any) -> Any:
    """next(source), or MISSING at its end."""
    rec = machine.rec
    if type(source) is LiveIterator:
        items = source.source
        length = rec.pin(attributes.get_attribute(machine, items, "shape")[0]) if is_tensor(items) else length_of(machine, items)
        if source.index >= length:
            return MISSING
        source.index += 1
        return get_item(machine, items, source.index - 1)
    if type(source) is ListedIterator:
        return next(source.items, MISSING)
    if type(source) is CountingIterator:
        at = source.next
        if not operations.truth(machine, operations.compare(machine, _LESS if source.step > 0 else _GREATER, at, source.stop)):
            return MISSING
        source.next = operations.binary(machine, _ADD, at, source.step)
        return at
    if isinstance(source, InterpretedGenerator):
        return source.send(None)
    step = attributes.check_class(rec, type(source), "__next__")
    if hasattr(step, "__code__"):
        try:
            return machine.call(step, (source,))
        except Raised as raised:
            if isinstance(raised.error, StopIteration):
                return MISSING
            raise
    raise NotReplayable(f"it takes the next item of a {type(source).__name__}")


def iterate(machine: Any, value: Any) -> Iterator[Any]:
    """All items, one after the other."""
    source = iterator(machine, value)
    while (item := advance(machine, source)) is not MISSING:
        yield item


def length_of(machine: Any, value: Any) -> int:
    """len() of a list, tuple, dict, set or string, checked if it may be another one at another call."""
    rec = machine.rec
    if id(value) in rec.fresh or is_constant(value):
        return len(value)
    register = rec.registers.get(id(value))
    if register is None:
        if not isinstance(value, tuple):
            raise unknown(value)
    elif id(value) in rec.mutated:
        rec.read_whole(value)
    elif id(value) not in rec.whole and not (register < 0 and isinstance(value, tuple)):
        rec.once("length", register, rec.constant(len(value)), path=f"len({rec.name_of(value)})")
    return len(rec.content(value))


def length_by(machine: Any, method: Any, value: Any) -> int:
    """What len() makes of a __len__ that is written in Python."""
    length = machine.rec.pin(machine.call(method, (value,)))
    if type(length) is not int:
        raise NotReplayable(f"{type(value).__name__}.__len__ gives a {type(length).__name__}")
    if length < 0:
        raise Raised(ValueError("__len__() should return >= 0"))
    return length


def _item_of_tuple(machine: Any, value: tuple, index: int) -> Any:
    rec = machine.rec
    item = value[index]
    register = rec.registers.get(id(value))
    if register is None or id(value) in rec.fresh:
        return item
    return rec.load(item, "item", register, rec.constant(index), path=f"{rec.name_of(value)}[{index}]")


def get_item(machine: Any, container: Any, key: Any) -> Any:
    """container[key]."""
    rec = machine.rec
    container = rec.pin(container)
    if is_tensor(container):
        return operations.action(machine, "get_item", lambda: container[rec_value(key)], container, key)
    key = rec.pin_all(key)
    kind = type(container)
    if kind in (str, bytes, range) and is_constant(key):
        return pure_result(lambda: container[key])
    if kind in SEQUENCES or (isinstance(container, tuple) and class_value(kind, "__getitem__") is tuple.__getitem__):
        return _item_of_sequence(machine, container, key)
    if isinstance(container, list) and _is_plain_list(machine, container):
        return _item_of_sequence(machine, container, key)
    if isinstance(container, dict) and is_dict(machine, container, "__getitem__"):
        return get_item_of_dict(machine, container, key)
    if kind is types.MappingProxyType:
        return get_item(machine, library.viewed(rec, container), key)
    if isinstance(container, type):
        getter = attributes.check_class(rec, container, "__class_getitem__")
        if getter is MISSING:
            meta = attributes.check_class(rec, type(container), "__getitem__")
            if hasattr(meta, "__code__"):
                return machine.call(meta, (container, key))
        raise NotReplayable(f"it subscripts {container.__name__}")
    getter = attributes.check_class(rec, kind, "__getitem__")
    if hasattr(getter, "__code__"):
        return machine.call(getter, (container, key))
    raise NotReplayable(f"it subscripts a {kind.__name__}")


def get_item_of_dict(machine: Any, container: dict, key: Any) -> Any:
    """What dict.__getitem__ does."""
    key = machine.rec.pin_all(key)
    found = item_of_dict(machine, container, key)
    if found is not MISSING:
        return found
    kind = type(container)
    absent = attributes.check_class(machine.rec, kind, "__missing__") if kind not in (dict, collections.OrderedDict) else MISSING
    if absent is not MISSING:
        return machine.call(absent, (container, key))
    raise Raised(KeyError(key))


def _is_plain_list(machine: Any, value: list) -> bool:
    """A list of a subclass that leaves reading to list."""
    return all(attributes.check_class(machine.rec, type(value), n) is getattr(list, n) for n in ("__getitem__", "__len__", "__iter__"))


def rec_value(value: Any) -> Any:
    """A value as C functions see it: symbols are numbers, also in tuples."""
    kind = type(value)
    if kind is Symbol:
        return value.value
    if kind is tuple:
        return tuple(rec_value(v) for v in value)
    if kind is slice:
        return slice(rec_value(value.start), rec_value(value.stop), rec_value(value.step))
    if kind is list:
        return [rec_value(v) for v in value]
    if kind is dict:
        return {k: rec_value(v) for k, v in value.items()}
    return value


def pure_result(function: Any) -> Any:
    """What a C function of constants gives or raises."""
    try:
        return function()
    except Exception as error:
        raise Raised(error.with_traceback(None)) from None


def _item_of_sequence(machine: Any, container: Any, key: Any) -> Any:
    rec = machine.rec
    if type(key) is slice and type(container) is not collections.deque:
        key = slice(*(None if v is None else operations.index_of(machine, v) for v in (key.start, key.stop, key.step)))
        length = length_of(machine, container)
        items = [get_item(machine, container, i) for i in range(*pure_result(lambda: key.indices(length)))]
        return tuple(items) if isinstance(container, tuple) else rec.make(items)
    if type(key) not in (int, bool):
        if is_constant(key):
            return pure_result(lambda: container[key])
        key = operations.index_of(machine, key)
    register = rec.registers.get(id(container))
    if id(container) in rec.fresh or register is None:
        if register is None and id(container) not in rec.fresh and type(container) is not tuple:
            raise unknown(container)
        return pure_result(lambda: container[key])
    if id(container) in rec.mutated:
        if id(container) in rec.whole or type(container) is not list or not rec.keeps_places(container, key):
            rec.read_whole(container)
            return pure_result(lambda: rec.content(container)[key])
        if any(target is container and kind == "setitem" and rest[0] == key for kind, target, *rest in rec.effects):
            return rec.content(container)[key]
    if key < 0 or key >= len(container):
        length = length_of(machine, container)
        key = key + length if key < 0 else key
        if not 0 <= key < length:
            return pure_result(lambda: container[length])
    item = container[key]
    return rec.load(item, "item", register, rec.constant(int(key)), path=f"{rec.name_of(container)}[{int(key)}]")


def check_key(machine: Any, key: Any) -> Any:
    """A key of a dict or set, pinned: it hashes and compares without Python code."""
    key = machine.rec.pin_all(key)
    if is_constant(key) or is_tensor(key):
        return key
    kind = type(key)
    if isinstance(key, tuple):
        for part in tuple.__iter__(key):
            if type(part) is Symbol:
                raise NotReplayable(f"a {kind.__name__} of numbers that change is a key")
            check_key(machine, part)
        return key
    if class_value(kind, "__hash__") is object.__hash__ and class_value(kind, "__eq__") is object.__eq__:
        return key
    raise NotReplayable(f"a {kind.__name__} is a key")


def item_of_dict(machine: Any, container: dict, key: Any) -> Any:
    rec = machine.rec
    key = check_key(machine, key)
    owner = rec.owners.get(id(container), container)
    if (id(owner), key) in rec.written:
        return rec.written[id(owner), key]
    register = rec.registers.get(id(container))
    if id(container) in rec.fresh:
        return dict.get(container, key, MISSING)
    if register is None:
        if is_constant(container):
            return dict.get(container, key, MISSING)
        raise unknown(container)
    if not is_constant(key):
        return _item_by_identity(machine, container, key, register)
    name = rec.name_of(container)
    if not dict.__contains__(container, key):
        if id(container) not in rec.whole:
            rec.once("no_item", register, rec.constant(key), path=f"{name}[{key!r}]")
        return MISSING
    return rec.load(dict.__getitem__(container, key), "dict_item", register, rec.constant(key), path=f"{name}[{key!r}]")


def _item_by_identity(machine: Any, container: dict, key: Any, register: int) -> Any:
    """A key that is an object, which its dict knows by identity: looked up at every replay with the object that is there then."""
    rec = machine.rec
    _check_keys(rec, container)
    if isinstance(key, tuple):
        raise NotReplayable(f"{rec.name_of(container)} is looked into with a tuple of objects")
    operand = rec.operand(key)
    if not dict.__contains__(container, key):
        rec.once("no_item", register, operand, path=f"{rec.name_of(container)}[...]")
        return MISSING
    return rec.load(dict.__getitem__(container, key), "dict_item", register, operand, path=f"{rec.name_of(container)}[{rec.name_of(key)}]")


def view_items(machine: Any, view: Any) -> list[Any]:
    source = library.viewed(machine.rec, view)
    which = library.view_position(view)
    if which == 0:
        return list(whole_dict(machine, source))
    items = dict_items(machine, source)
    return list(items.values() if which == 1 else items.items())


def whole_dict(machine: Any, source: dict) -> dict:
    """A dict whose keys have all been checked, as it is by now."""
    rec = machine.rec
    owner = rec.owners.get(id(source))
    if owner is not None and id(owner) in rec.fresh:
        return {k: rec.written.get((id(owner), k), v) for k, v in source.items()}
    if id(source) in rec.fresh:
        return source
    if owner is not None and any(target == id(owner) for target, _ in rec.written):
        raise NotReplayable("it looks at all attributes of an instance after it has written to one")
    rec.read_whole(source)
    return rec.content(source)


def while_unchanged(machine: Any, source: dict, items: list[Any]) -> Iterator[Any]:
    """The items of a dict, or of a view of one, until the dict grows or shrinks, which is an error in Python."""
    source = library.viewed(machine.rec, source) if library.is_view(source) else source
    for item in items:
        if len(machine.rec.content(source)) != len(items):
            raise NotReplayable("a dict changes its size while it is iterated over")
        yield item


def view_of(machine: Any, source: dict, name: str) -> Any:
    """d.keys(), d.values() or d.items()."""
    view = machine.rec.make(getattr(source, name)())
    machine.rec.memo["view", id(view)] = source
    return view


def dict_items(machine: Any, source: Any) -> dict[Any, Any]:
    """A copy of all that a dict holds, checked, with symbols where it holds such."""
    rec = machine.rec
    if type(source) is types.MappingProxyType:
        source = library.viewed(rec, source)
    if not isinstance(source, dict) or not is_dict(machine, source, "__iter__"):
        raise NotReplayable(f"it takes a {type(source).__name__} for a dict")
    content = whole_dict(machine, source)
    if id(source) in rec.fresh:
        return {k: dict.__getitem__(content, k) for k in keys_of(content)}
    register = rec.registers.get(id(source))

    def as_read(key: Any) -> Any:
        value = dict.__getitem__(content, key)
        return value if (id(source), key) in rec.written else rec.memo.get(("dict_item", (register, rec.constant(key))), value)

    return {k: as_read(k) for k in keys_of(content)}


def set_item(machine: Any, container: Any, key: Any, value: Any) -> None:
    """container[key] = value."""
    rec = machine.rec
    if is_tensor(container):
        operations.write_check(rec, container, value)
        rec.emit("set_item", rec.operand(container), rec.operand(key), rec.operand(value))
        container[rec_value(key)] = rec_value(value)
        return
    key = rec.pin_all(key)
    kind = type(container)
    if kind is list and type(key) is slice:
        _set_slice(machine, container, key, value)
        return
    if kind in (list, collections.deque):
        key = operations.index_of(machine, key)
        if id(container) not in rec.fresh:
            _known(rec, container)
            if kind is list and rec.keeps_places(container, key):
                _item_of_sequence(machine, container, key)  # there is one
            else:
                rec.read_whole(container)
        content = rec.content(container)
        if not -len(content) <= key < len(content):
            raise Raised(IndexError(f"{'list assignment' if kind is list else 'deque'} index out of range"))
        target = rec.before_write(container)
        if target is not container:
            value = stored(rec, value)
            rec.effect("setitem", container, key, value)
        target[key] = value
        return
    if isinstance(container, dict) and is_dict(machine, container, "__setitem__"):
        set_item_of_dict(machine, container, key, value)
        return
    setter = attributes.check_class(rec, kind, "__setitem__")
    if hasattr(setter, "__code__"):
        machine.call(setter, (container, key, value))
        return
    raise NotReplayable(f"it assigns to an item of a {kind.__name__}")


def set_item_of_dict(machine: Any, container: dict, key: Any, value: Any) -> None:
    """What dict.__setitem__ does."""
    rec = machine.rec
    key = check_key(machine, key)
    if id(container) in rec.owners:
        assignments.set_own(machine, rec.owners[id(container)], key, value)
        return
    target = rec.before_write(container)
    if target is not container:
        _known(rec, container)
        _check_keys(rec, container)
        value = stored(rec, value)
        own = attributes.check_class(rec, type(container), "__setitem__")
        if hasattr(own, "__code__"):  # which has called this
            rec.effect("call", container, dict.__setitem__, (key, value))
        else:
            rec.effect("setitem", container, key, value)
        rec.written[id(container), key] = value
    (dict if type(target) is not collections.OrderedDict else collections.OrderedDict).__setitem__(target, key, value)


def _set_slice(machine: Any, container: list, key: slice, value: Any) -> None:
    """container[i:j] = value."""
    rec = machine.rec
    values = list(iterate(machine, value))
    target = rec.before_write(container)
    if target is not container:
        _known(rec, container)
        rec.read_whole(container)
        values = [stored(rec, v) for v in values]
        rec.effect("setitem", container, key, rec.make(list(values)))
    pure_result(lambda: target.__setitem__(key, values))


def _known(rec: Any, container: Any) -> None:
    if id(container) not in rec.registers:
        raise unknown(container)


def _check_keys(rec: Any, container: dict) -> None:
    for k in container:
        if not is_constant(k) and not is_tensor(k) and class_value(type(k), "__eq__") is not object.__eq__:
            raise NotReplayable(f"{rec.name_of(container)} has keys with an __eq__ of their own")


def stored(rec: Any, value: Any) -> Any:
    """A value as it is kept in an object that was there before: a symbol, but none inside of other objects."""
    return value if type(value) is Symbol else rec.pin_all(value)


def delete_item(machine: Any, container: Any, key: Any) -> None:
    """del container[key]."""
    rec = machine.rec
    key = rec.pin_all(key)
    kind = type(container)
    if kind in (list, collections.deque):
        key = key if type(key) is slice else operations.index_of(machine, key)
        target = rec.before_write(container)
        if target is not container:
            _known(rec, container)
            rec.read_whole(container)
        pure_result(lambda: target.__delitem__(key))
        rec.effect("delitem", container, key)
        return
    if isinstance(container, dict) and is_dict(machine, container, "__delitem__"):
        delete_item_of_dict(machine, container, key)
        return
    deleter = attributes.check_class(rec, kind, "__delitem__")
    if hasattr(deleter, "__code__"):
        machine.call(deleter, (container, key))
        return
    raise NotReplayable(f"it deletes an item of a {kind.__name__}")


def delete_item_of_dict(machine: Any, container: dict, key: Any) -> None:
    """What dict.__delitem__ does."""
    rec = machine.rec
    key = check_key(machine, key)
    if id(container) in rec.owners:
        raise NotReplayable("it deletes from an instance's __dict__")
    if not dict_contains(machine, container, key):
        raise Raised(KeyError(key))
    target = rec.before_write(container)
    if target is not container:
        _known(rec, container)
        if hasattr(attributes.check_class(rec, type(container), "__delitem__"), "__code__"):
            rec.effect("call", container, dict.__delitem__, (key,))
        else:
            rec.effect("delitem", container, key)
        rec.written[id(container), key] = MISSING
    (dict if type(target) is not collections.OrderedDict else collections.OrderedDict).__delitem__(target, key)


def contains(machine: Any, container: Any, item: Any) -> bool:
    """item in container."""
    rec = machine.rec
    container = rec.pin(container)
    kind = type(container)
    if kind in (str, bytes, range, frozenset):
        item = rec.pin_all(item)
        if is_constant(item) and is_constant(container):
            return pure_result(lambda: item in container)
    if kind is types.MappingProxyType:
        return contains(machine, library.viewed(rec, container), item)
    if isinstance(container, dict) and is_dict(machine, container, "__contains__"):
        return dict_contains(machine, container, item)
    if kind in SEQUENCES:
        for i in range(length_of(machine, container)):
            known = get_item(machine, container, i)
            if operations.matches(machine, known, item):
                return True
        return False
    if kind is set:
        item = check_key(machine, item)
        if id(container) in rec.fresh:
            return item in container
        return _in_known_set(rec, container, item)
    if library.is_view(container) and library.view_position(container) == 0:
        return contains(machine, library.viewed(rec, container), item)
    if library.is_view(container) and library.view_position(container) == 1:
        return any(operations.matches(machine, v, item) for v in view_items(machine, container))
    checker = attributes.check_class(rec, kind, "__contains__")
    if checker is None:
        raise Raised(TypeError(f"'{kind.__name__}' object is not a container"))
    if hasattr(checker, "__code__"):
        return machine.truth(machine.call(checker, (container, item)))
    if checker is MISSING and not isinstance(container, type):
        return any(operations.matches(machine, v, item) for v in iterate(machine, container))
    raise NotReplayable(f"it looks for something in a {kind.__name__}")


def dict_contains(machine: Any, container: dict, item: Any) -> bool:
    """What dict.__contains__ does."""
    rec = machine.rec
    register = rec.registers.get(id(container))
    key = check_key(machine, item)
    place = rec.owners.get(id(container), container)
    if (id(place), key) in rec.written:
        return rec.written[id(place), key] is not MISSING
    if id(container) in rec.fresh or id(container) in rec.whole or register is None:
        return item_of_dict(machine, container, key) is not MISSING if register is None else dict.__contains__(rec.content(container), key)
    if not is_constant(key):
        return _item_by_identity(machine, container, key, register) is not MISSING
    if dict.__contains__(container, key):
        read = ("dict_item", (register, rec.constant(key)))
        if read not in rec.memo and ("has", read) not in rec.memo:
            rec.memo["has", read] = rec.emit("dict_item", *read[1], result=True, path=f"{rec.name_of(container)}[{key!r}]")
        return True
    rec.once("no_item", register, rec.constant(key), path=f"{rec.name_of(container)}[{key!r}]")
    return False


def _in_known_set(rec: Any, container: set, item: Any) -> bool:
    if not is_constant(item) or not all(is_constant(v) for v in container):
        raise NotReplayable(f"it looks into {rec.name_of(container)}, a set")
    if id(container) in rec.mutated or id(container) in rec.whole:
        rec.read_whole(container)
        return item in rec.content(container)
    has = item in container
    made = rec.emit("call", rec.constant(set.__contains__), rec.operand(container), rec.constant(item), result=True)
    rec.emit("same", made, rec.constant(has), path=f"{item!r} in {rec.name_of(container)}")
    return has
