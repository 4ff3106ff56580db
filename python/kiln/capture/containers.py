"""Lists, dicts, tuples, sets, strings and tensors as containers: items, iteration, membership, changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kiln.capture import attributes, operations
from kiln.capture.frames import InterpretedGenerator
from kiln.capture.recording import class_value
from kiln.capture.values import MISSING, NotReplayable, Raised, Symbol, is_constant, is_static, is_tensor, unknown

DICT_VIEWS = (type({}.keys()), type({}.values()), type({}.items()))


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


def is_iterator(value: Any) -> bool:
    return isinstance(value, (LiveIterator, ListedIterator, InterpretedGenerator))


def iterator(machine: Any, value: Any) -> Any:
    """iter(value)."""
    rec = machine.rec
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
    if kind is dict:
        rec.read_whole(value)
        return rec.make(ListedIterator(_while_unchanged(machine, value, list(rec.content(value)))))
    if kind in DICT_VIEWS:
        source = rec.memo["view", id(value)]
        return rec.make(ListedIterator(_while_unchanged(machine, source, view_items(machine, value))))
    if kind is set:
        if id(value) not in rec.fresh:
            raise NotReplayable("it iterates over a set that was there before")
        return rec.make(ListedIterator(iter(list(value))))
    if isinstance(value, type):
        maker = attributes.check_class(rec, type(value), "__iter__")
    else:
        maker = attributes.check_class(rec, kind, "__iter__") if not is_static(value) else MISSING
    if callable(maker) and hasattr(maker, "__code__"):
        return iterator(machine, machine.call(maker, (value,)))
    if attributes.check_class(rec, kind, "__next__") is not MISSING:
        return value
    raise NotReplayable(f"it iterates over a {kind.__name__}")


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
    if kind in (list, tuple) or (isinstance(container, tuple) and class_value(kind, "__getitem__") is tuple.__getitem__):
        return _item_of_sequence(machine, container, key)
    if kind is dict or (
        isinstance(container, dict) and id(container) in rec.fresh and class_value(kind, "__getitem__") is dict.__getitem__
    ):
        found = _item_of_dict(machine, container, key)
        if found is MISSING:
            if kind is not dict and class_value(kind, "__missing__") is not MISSING:
                return machine.call(class_value(kind, "__missing__"), (container, key))
            raise Raised(KeyError(key))
        return found
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
    if type(key) is slice:
        length = length_of(machine, container)
        items = [get_item(machine, container, i) for i in range(*pure_result(lambda: key.indices(length)))]
        return tuple(items) if isinstance(container, tuple) else rec.make(items)
    if type(key) not in (int, bool):
        if is_constant(key):
            return pure_result(lambda: container[key])
        raise NotReplayable(f"it indexes a {type(container).__name__} with a {type(key).__name__}")
    register = rec.registers.get(id(container))
    if id(container) in rec.fresh or register is None:
        if register is None and id(container) not in rec.fresh and type(container) is list:
            raise unknown(container)
        return pure_result(lambda: container[key])
    if id(container) in rec.mutated:
        rec.read_whole(container)
        return pure_result(lambda: rec.content(container)[key])
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
        for part in key:
            check_key(machine, part)
        return key
    if class_value(kind, "__hash__") is object.__hash__ and class_value(kind, "__eq__") is object.__eq__:
        return key
    raise NotReplayable(f"a {kind.__name__} is a key")


def _item_of_dict(machine: Any, container: dict, key: Any) -> Any:
    rec = machine.rec
    key = check_key(machine, key)
    if id(container) in rec.owners:
        owner = rec.owners[id(container)]
        if (id(owner), key) in rec.written:
            return rec.written[id(owner), key]
    if (id(container), key) in rec.written:
        return rec.written[id(container), key]
    register = rec.registers.get(id(container))
    if id(container) in rec.fresh:
        return container.get(key, MISSING)
    if register is None:
        if is_constant(container):
            return container.get(key, MISSING)
        raise unknown(container)
    if not is_constant(key):
        return _item_by_identity(machine, container, key, register)
    name = rec.name_of(container)
    if key not in container:
        if id(container) not in rec.whole:
            rec.once("no_item", register, rec.constant(key), path=f"{name}[{key!r}]")
        return MISSING
    return rec.load(container[key], "dict_item", register, rec.constant(key), path=f"{name}[{key!r}]")


def _item_by_identity(machine: Any, container: dict, key: Any, register: int) -> Any:
    """A key that is an object, which its dict knows by identity: looked up at every replay with the object that is there then."""
    rec = machine.rec
    _check_keys(rec, container)
    if isinstance(key, tuple):
        raise NotReplayable(f"{rec.name_of(container)} is looked into with a tuple of objects")
    operand = rec.operand(key)
    if key not in container:
        rec.once("no_item", register, operand, path=f"{rec.name_of(container)}[...]")
        return MISSING
    return rec.load(container[key], "dict_item", register, operand, path=f"{rec.name_of(container)}[{rec.name_of(key)}]")


def view_items(machine: Any, view: Any) -> list[Any]:
    source = machine.rec.memo["view", id(view)]
    if type(view) is DICT_VIEWS[0]:
        machine.rec.read_whole(source)
        return list(machine.rec.content(source))
    items = dict_items(machine, source)
    return list(items.values() if type(view) is DICT_VIEWS[1] else items.items())


def _while_unchanged(machine: Any, source: dict, items: list[Any]) -> Iterator[Any]:
    """The items of a dict, or of a view of it, until the dict grows or shrinks, which is an error in Python."""
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
    if not isinstance(source, dict):
        raise NotReplayable(f"it takes a {type(source).__name__} for a dict")
    if id(source) in rec.fresh:
        return dict(source)
    if id(source) in rec.owners:
        raise NotReplayable("it looks at all attributes of an instance at once")
    rec.read_whole(source)
    if id(source) in rec.mutated:
        return dict(rec.content(source))
    register = rec.registers.get(id(source))
    return {k: rec.memo.get(("dict_item", (register, rec.constant(k))), v) for k, v in source.items()}


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
    if kind is list:
        if type(key) is slice or type(key) is not int:
            raise NotReplayable("it assigns to a slice of a list")
        if id(container) not in rec.fresh:
            _known(rec, container)
        if not -length_of(machine, container) <= key < length_of(machine, container):
            raise Raised(IndexError("list assignment index out of range"))
        target = rec.before_write(container)
        if target is not container:
            rec.read_whole(container)
            value = stored(rec, value)
            rec.effect("setitem", container, key, value)
        target[key] = value
        return
    if kind is dict or (
        isinstance(container, dict) and id(container) in rec.fresh and class_value(kind, "__setitem__") is dict.__setitem__
    ):
        key = check_key(machine, key)
        if id(container) in rec.owners:
            attributes.set_plain(machine, rec.owners[id(container)], key, value)
            return
        target = container if id(container) in rec.fresh else rec.before_write(container)
        if target is not container:
            _known(rec, container)
            _check_keys(rec, container)
            value = stored(rec, value)
            rec.effect("setitem", container, key, value)
            rec.written[id(container), key] = value
        target[key] = value
        return
    setter = attributes.check_class(rec, kind, "__setitem__")
    if hasattr(setter, "__code__"):
        machine.call(setter, (container, key, value))
        return
    raise NotReplayable(f"it assigns to an item of a {kind.__name__}")


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
    if kind is list and type(key) is int:
        target = rec.before_write(container)
        if target is not container:
            _known(rec, container)
            rec.read_whole(container)
        pure_result(lambda: target.__delitem__(key))
        rec.effect("delitem", container, key)
        return
    if kind is dict:
        key = check_key(machine, key)
        if id(container) in rec.owners:
            raise NotReplayable("it deletes from an instance's __dict__")
        if not contains(machine, container, key):
            raise Raised(KeyError(key))
        target = rec.before_write(container)
        if target is not container:
            _known(rec, container)
            rec.effect("delitem", container, key)
            rec.written[id(container), key] = MISSING
        del target[key]
        return
    deleter = attributes.check_class(rec, kind, "__delitem__")
    if hasattr(deleter, "__code__"):
        machine.call(deleter, (container, key))
        return
    raise NotReplayable(f"it deletes an item of a {kind.__name__}")


def contains(machine: Any, container: Any, item: Any) -> bool:
    """item in container."""
    rec = machine.rec
    container = rec.pin(container)
    kind = type(container)
    if kind in (str, bytes, range, frozenset):
        item = rec.pin_all(item)
        if is_constant(item) and is_constant(container):
            return pure_result(lambda: item in container)
    if kind is dict:
        register = rec.registers.get(id(container))
        key = check_key(machine, item)
        place = rec.owners.get(id(container), container)
        if (id(place), key) in rec.written:
            return rec.written[id(place), key] is not MISSING
        if id(container) in rec.fresh or id(container) in rec.whole or register is None:
            return _item_of_dict(machine, container, key) is not MISSING if register is None else key in rec.content(container)
        if not is_constant(key):
            return _item_by_identity(machine, container, key, register) is not MISSING
        if key in container:
            read = ("dict_item", (register, rec.constant(key)))
            if read not in rec.memo and ("has", read) not in rec.memo:
                rec.memo["has", read] = rec.emit("dict_item", *read[1], result=True, path=f"{rec.name_of(container)}[{key!r}]")
            return True
        rec.once("no_item", register, rec.constant(key), path=f"{rec.name_of(container)}[{key!r}]")
        return False
    if kind in (list, tuple):
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
    if kind in DICT_VIEWS[:2]:
        return any(operations.matches(machine, v, item) for v in view_items(machine, container))
    checker = attributes.check_class(rec, kind, "__contains__")
    if hasattr(checker, "__code__"):
        return machine.truth(machine.call(checker, (container, item)))
    if checker is MISSING and not isinstance(container, type):
        return any(operations.matches(machine, v, item) for v in iterate(machine, container))
    raise NotReplayable(f"it looks for something in a {kind.__name__}")


def _in_known_set(rec: Any, container: set, item: Any) -> bool:
    if not is_constant(item) or id(container) in rec.mutated or not all(is_constant(v) for v in container):
        raise NotReplayable(f"it looks into {rec.name_of(container)}, a set")
    has = item in container
    made = rec.emit("call", rec.constant(set.__contains__), rec.operand(container), rec.constant(item), result=True)
    rec.emit("same", made, rec.constant(has), path=f"{item!r} in {rec.name_of(container)}")
    return has
