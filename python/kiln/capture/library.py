"""Objects of the standard library that hold no state of their own: getters, context variables, thread locals, windows on dicts."""

from __future__ import annotations

import contextvars
import functools
import gc
import operator
import threading
import types
from typing import Any

from kiln.capture import attributes, containers
from kiln.capture.recording import Recording
from kiln.capture.values import ATOMS, DICT_VIEWS, MISSING, ORDERED_VIEWS, NotReplayable, Raised, is_constant, is_static
from kiln.config import config

# ---- operator.itemgetter and its like: what they were made of never changes --------------------------------------------


def _itemgetter(machine: Any, getter: Any, obj: Any) -> Any:
    keys = getter.__reduce__()[1]
    found = tuple(containers.get_item(machine, obj, k) for k in keys)
    return found[0] if len(keys) == 1 else found


def _attrgetter(machine: Any, getter: Any, obj: Any) -> Any:
    found = []
    for path in getter.__reduce__()[1]:
        value = obj
        for name in path.split("."):
            value = attributes.get_attribute(machine, value, name)
        found.append(value)
    return found[0] if len(found) == 1 else tuple(found)


def _methodcaller(machine: Any, caller: Any, obj: Any) -> Any:
    made, given = caller.__reduce__()
    keywords = {}
    if made is not operator.methodcaller:  # a partial that holds keywords
        given, keywords = (*made.args, *given), made.keywords
    name, *args = given
    method = attributes.get_attribute(machine, obj, name, method=True)
    held = {k: _held(machine, v) for k, v in keywords.items()}
    return machine.call(method, tuple(_held(machine, a) for a in args), held)


def _held(machine: Any, value: Any) -> Any:
    return value if is_constant(value) else machine.rec.know_constant(value)


GETTERS = {operator.itemgetter: _itemgetter, operator.attrgetter: _attrgetter, operator.methodcaller: _methodcaller}


CALLED: dict[type, Any] = dict(GETTERS)


def make_getter(kind: type) -> Any:
    """How a recorded call makes one: of constants alone."""

    def make(machine: Any, *args: Any, **kwargs: Any) -> Any:
        rec = machine.rec
        args, kwargs = tuple(rec.pin_all(a) for a in args), {k: rec.pin_all(v) for k, v in kwargs.items()}
        if not all(map(is_constant, (*args, *kwargs.values()))):
            raise NotReplayable(f"it makes an operator.{kind.__name__} of what is no constant")
        return rec.make(containers.pure_result(lambda: kind(*args, **kwargs)))

    return make


# ---- functools.cache: a hit is an entry of its dict -------------------------------------------------------------------


def _cached(machine: Any, wrapper: Any, *args: Any, **kwargs: Any) -> Any:
    """A call that the cache has a result for: the entry is checked to be the same. The call, which counts it, comes behind the commit."""
    rec: Recording = machine.rec
    held = [o for o in gc.get_referents(wrapper) if type(o) is dict and o is not wrapper.__dict__]
    args = tuple(rec.pin_all(a) for a in args)
    settings = wrapper.cache_parameters()
    if kwargs or settings["typed"] or settings["maxsize"] is not None or len(held) != 1 or not all(map(is_constant, args)):
        raise NotReplayable(f"it calls {wrapper.__qualname__}, whose cache is bounded, typed, or asked for what is no constant")
    key = args[0] if len(args) == 1 and type(args[0]) in (int, str) else args
    if config.verify:
        raise NotReplayable(f"it calls {wrapper.__qualname__}, whose cache counts calls, and verification runs each twice")
    place = f"{wrapper.__qualname__}{args}"
    if key not in held[0]:
        raise NotReplayable(f"the cache has no {place} yet")
    value = held[0][key]
    operands = rec.constant(held[0]), rec.constant(key)
    rec.once("dict_item", *operands, rec.constant(value), extra=1, path=place)
    if type(value) not in ATOMS and not is_static(value):
        rec.know_constant(value, place)
    rec.effect("call", wrapper, type(wrapper).__call__, args)
    return value


CALLED[type(functools.cache(len))] = _cached


# ---- windows: what is behind them is read --------------------------------------------------------------------------------


def viewed(rec: Recording, window: Any) -> Any:
    """The dict behind a view or a mappingproxy."""
    made_here = rec.memo.get(("view", id(window)))
    if made_here is not None:
        return made_here
    behind = [o for o in gc.get_referents(window) if isinstance(o, dict)]
    if len(behind) != 1 or id(window) not in rec.registers:
        raise NotReplayable(f"it looks through a {type(window).__name__}")
    return rec.know_constant(behind[0], f"what {rec.name_of(window)} shows")


def build_view(builder: Any, view: Any) -> int:
    """Emits what makes a view of a dict again."""
    source = viewed(builder.rec, view)
    method = getattr(type(source), ("keys", "values", "items")[view_position(view)])
    return builder.keep(view, builder.emit("call", builder.rec.constant(method), builder.build(source), result=True))


def is_view(value: Any) -> bool:
    return type(value) in DICT_VIEWS or type(value) in ORDERED_VIEWS


def view_position(view: Any) -> int:
    """0: keys, 1: values, 2: items."""
    kinds = DICT_VIEWS if type(view) in DICT_VIEWS else ORDERED_VIEWS
    return kinds.index(type(view))


def _of_proxy(name: str) -> Any:
    method = getattr(dict, name)
    return lambda machine, proxy, *args: machine.call(method, (viewed(machine.rec, proxy), *args))


PROXY_METHODS = {
    getattr(types.MappingProxyType, name): _of_proxy(name)
    for name in ("get", "keys", "values", "items", "copy", "__getitem__", "__contains__", "__len__")
}


# ---- threading.local: the dict that the running thread has of it ---------------------------------------------------------


def of_thread(rec: Recording, local: Any) -> dict[str, Any]:
    """What a threading.local holds for this thread; at a replay, for the thread that it runs in."""
    namespace = local.__dict__
    key = ("of this thread", id(local))
    if key not in rec.memo:
        rec.memo[key] = register = rec.emit("get_attribute", rec.operand(local), rec.constant("__dict__"), result=True)
        if id(namespace) in rec.registers:
            raise NotReplayable("it reads what a threading.local holds on two ways")
        rec.know(namespace, register, rec.name_of(local))
    return namespace


def get_of_local(machine: Any, local: Any, name: str) -> Any:
    if hasattr(threading.local, name):
        raise NotReplayable(f"it reads .{name} of a threading.local")
    found = containers.item_of_dict(machine, of_thread(machine.rec, local), name)
    if found is MISSING:
        raise Raised(AttributeError(f"'_thread._local' object has no attribute '{name}'", name=name, obj=local))
    return found


def set_of_local(machine: Any, local: Any, name: str, value: Any) -> None:
    if hasattr(threading.local, name):
        raise NotReplayable(f"it assigns .{name} of a threading.local")
    containers.set_item(machine, of_thread(machine.rec, local), name, value)


def delete_of_local(machine: Any, local: Any, name: str) -> None:
    namespace = of_thread(machine.rec, local)
    if not containers.contains(machine, namespace, name):
        raise Raised(AttributeError(name))
    containers.delete_item(machine, namespace, name)


# ---- context variables -----------------------------------------------------------------------------------------------


def _get_of_context(machine: Any, variable: contextvars.ContextVar, *default: Any) -> Any:
    rec: Recording = machine.rec
    if not all(map(is_constant, default)):
        raise NotReplayable("a context variable is read with a default that is no constant")
    try:
        value = variable.get(*default)
    except LookupError:
        raise NotReplayable(f"the context variable {variable.name} has no value") from None
    operands = [rec.constant(contextvars.ContextVar.get), rec.constant(variable), *map(rec.constant, default)]
    place = f"context variable {variable.name}"
    key = ("context", *operands)
    if key not in rec.memo:
        rec.memo[key] = rec.check(value, rec.emit("call", *operands, result=True), place)
    return rec.memo[key]


METHODS = {contextvars.ContextVar.get: _get_of_context, **PROXY_METHODS}

__all__ = [
    "CALLED",
    "GETTERS",
    "METHODS",
    "delete_of_local",
    "get_of_local",
    "is_view",
    "make_getter",
    "set_of_local",
    "view_position",
    "viewed",
]
