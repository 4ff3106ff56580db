"""Containers, strings and slices: made of what is on the stack, taken apart, subscripted."""

from __future__ import annotations

import builtins
import itertools
from typing import Any

from kiln.capture import containers
from kiln.capture.opcodes.table import operation, pop_many
from kiln.capture.values import NotReplayable, Raised


@operation()
def BUILD_TUPLE(m, f, arg):
    f.stack.append(tuple(pop_many(f, arg)))


@operation()
def BUILD_LIST(m, f, arg):
    f.stack.append(m.rec.make(pop_many(f, arg)))


@operation()
def BUILD_SET(m, f, arg):
    values = [m.rec.pin(v) for v in pop_many(f, arg)]
    for v in values:
        containers.check_key(m, v)
    f.stack.append(m.rec.make(set(values)))


@operation()
def BUILD_MAP(m, f, arg):
    values = pop_many(f, 2 * arg)
    made = {}
    for key, value in zip(values[::2], values[1::2], strict=True):
        made[containers.check_key(m, key)] = value
    f.stack.append(m.rec.make(made))


@operation()
def BUILD_CONST_KEY_MAP(m, f, arg):
    keys = f.stack.pop()
    f.stack.append(m.rec.make(dict(zip(keys, pop_many(f, arg), strict=True))))


@operation()
def BUILD_SLICE(m, f, arg):
    f.stack.append(slice(*pop_many(f, arg)))


@operation()
def BUILD_STRING(m, f, arg):
    f.stack.append("".join(pop_many(f, arg)))


@operation()
def FORMAT_VALUE(m, f, arg):
    spec = f.stack.pop() if arg & 4 else ""
    value = f.stack.pop()
    convert = (None, builtins.str, builtins.repr, builtins.ascii)[arg & 3]
    if convert is not None:
        value = m.call(convert, (value,))
    f.stack.append(value if type(value) is str and not spec else m.call(builtins.format, (value, spec)))


@operation()
def LIST_TO_TUPLE(m, f, arg):
    f.stack[-1] = tuple(f.stack[-1])


@operation()
def LIST_APPEND(m, f, arg):
    value = f.stack.pop()
    f.stack[-arg].append(value)


@operation()
def SET_ADD(m, f, arg):
    value = containers.check_key(m, f.stack.pop())
    f.stack[-arg].add(value)


@operation()
def MAP_ADD(m, f, arg):
    value = f.stack.pop()
    key = containers.check_key(m, f.stack.pop())
    f.stack[-arg][key] = value


@operation()
def LIST_EXTEND(m, f, arg):
    values = f.stack.pop()
    f.stack[-arg].extend(containers.iterate(m, values))


@operation()
def SET_UPDATE(m, f, arg):
    values = f.stack.pop()
    f.stack[-arg].update(containers.check_key(m, v) for v in containers.iterate(m, values))


@operation()
def DICT_UPDATE(m, f, arg):
    source = f.stack.pop()
    f.stack[-arg].update(containers.dict_items(m, source))


@operation()
def DICT_MERGE(m, f, arg):
    source = f.stack.pop()
    target = f.stack[-arg]
    items = containers.dict_items(m, source)
    if target.keys() & items.keys():
        raise NotReplayable("a keyword argument is given twice")
    target.update(items)


@operation()
def UNPACK_SEQUENCE(m, f, arg):
    unpack(m, f, arg)


def unpack(m: Any, f: Any, count: int, counts: tuple[type, ...] = ()) -> None:
    """Puts that many items on the stack, the first on top. `counts`: of what classes the error says how many items there are."""
    source = f.stack.pop()
    values = list(itertools.islice(containers.iterate(m, source), count + 1))
    if len(values) < count:
        raise Raised(ValueError(f"not enough values to unpack (expected {count}, got {len(values)})"))
    if len(values) > count:
        got = f", got {containers.length_of(m, source)}" if type(source) in counts else ""
        raise Raised(ValueError(f"too many values to unpack (expected {count}{got})"))
    f.stack.extend(reversed(values))


@operation()
def UNPACK_EX(m, f, arg):
    before, after = arg & 255, arg >> 8
    values = list(containers.iterate(m, f.stack.pop()))
    if len(values) < before + after:
        raise Raised(ValueError(f"not enough values to unpack (expected at least {before + after}, got {len(values)})"))
    middle = m.rec.make(values[before : len(values) - after])
    f.stack.extend(reversed([*values[:before], middle, *values[len(values) - after :]]))


@operation()
def BINARY_SUBSCR(m, f, arg):
    key = f.stack.pop()
    f.stack.append(containers.get_item(m, f.stack.pop(), key))


@operation()
def STORE_SUBSCR(m, f, arg):
    value, target, key = pop_many(f, 3)
    containers.set_item(m, target, key, value)


@operation()
def DELETE_SUBSCR(m, f, arg):
    key = f.stack.pop()
    containers.delete_item(m, f.stack.pop(), key)


@operation()
def GET_LEN(m, f, arg):
    f.stack.append(m.call(builtins.len, (f.stack[-1],)))
