"""Functions as objects: their attributes, and those that a call makes and leaves behind."""

from __future__ import annotations

import types
from typing import Any

from kiln.capture import attributes
from kiln.capture.recording import Recording, class_value
from kiln.capture.values import ATOMS, MISSING, NotReplayable, Raised

# What a function's own type holds of it, and how it is read of one that was there before.
_READS = {"__code__": "code", "__defaults__": "defaults", "__kwdefaults__": "keyword_defaults", "__closure__": "closure"}
_TEXTS = ("__name__", "__qualname__", "__module__", "__doc__")
_OF_THE_TYPE = frozenset(vars(types.FunctionType)) | {"__class__"}
_SETTABLE = (*_TEXTS, "__defaults__", "__kwdefaults__", "__annotations__")


def get_attribute(machine: Any, function: Any, name: str) -> Any:
    """function.name. MISSING: its type knows."""
    rec: Recording = machine.rec
    if (id(function), name) in rec.written and rec.written[id(function), name] is not MISSING:
        return rec.written[id(function), name]
    fresh = id(function) in rec.fresh
    if name == "__dict__":
        return attributes.dict_of(rec, function)
    if name in _OF_THE_TYPE:
        return _of_type(rec, function, name, fresh)
    place = f"{function.__qualname__}.{name}"
    if name in function.__dict__ and (id(function), name) not in rec.written:
        value = function.__dict__[name]
        return value if fresh else rec.load(value, "attribute", rec.operand(function), rec.constant(name), path=place)
    if class_value(types.FunctionType, name) is not MISSING or class_value(object, name) is not MISSING:
        return MISSING
    if not fresh and (id(function), name) not in rec.written:
        rec.once("no_attribute", rec.operand(function), rec.constant(name), path=place)
    raise Raised(AttributeError(f"'function' object has no attribute '{name}'", name=name, obj=function))


def _of_type(rec: Recording, function: Any, name: str, fresh: bool) -> Any:
    place = f"{function.__qualname__}.{name}"
    if name == "__globals__":
        return rec.know_constant(function.__globals__, place)
    if name not in _READS and name not in _TEXTS and name != "__annotations__":
        return MISSING
    value = getattr(function, name)
    if fresh:
        return rec.make(value) if type(value) is dict and id(value) not in rec.registers else value
    register = rec.operand(function)
    if name in _READS:
        return rec.load(value, _READS[name], register, path=place)
    if name in _TEXTS and type(value) not in ATOMS:
        raise NotReplayable(f"it reads {place}")
    return rec.load(value, "get_attribute", register, rec.constant(name), path=place)


def set_attribute(machine: Any, function: Any, name: str, value: Any) -> None:
    rec: Recording = machine.rec
    if id(function) not in rec.fresh:
        if name in _OF_THE_TYPE:
            raise NotReplayable(f"it assigns {function.__qualname__}.{name}")
        rec.set_attribute(function, name, value)
        return
    if name in _OF_THE_TYPE and name not in _SETTABLE:
        raise NotReplayable(f"it assigns {function.__qualname__}.{name}")
    try:
        setattr(function, name, rec.pin(value) if name in _TEXTS else value)
    except TypeError as error:
        raise Raised(error.with_traceback(None)) from None


def make(machine: Any, frame: Any, code: types.CodeType, closure: Any = None, keyword_defaults: Any = None, defaults: Any = None) -> Any:
    """What a def or lambda gives."""
    made = types.FunctionType(code, frame.globals, code.co_name, defaults, closure)
    made.__kwdefaults__ = keyword_defaults
    made.__qualname__ = code.co_qualname
    return machine.rec.make(made)


def annotate(made: types.FunctionType, annotations: Any) -> None:
    """Gives it annotations: a dict, or names and values in turn."""
    if annotations:
        made.__annotations__ = dict(zip(annotations[::2], annotations[1::2], strict=True)) if type(annotations) is tuple else annotations


def build(builder: Any, function: types.FunctionType) -> int:
    """Emits what makes a function again, with its cells: those first, for functions may hold each other."""
    rec = builder.rec
    cells = [c for c in function.__closure__ or () if id(c) in rec.fresh and id(c) not in builder.made]
    for cell in cells:
        builder.keep(cell, builder.emit("call", rec.constant(types.CellType), result=True))
    closure = rec.constant(None)
    if function.__closure__:
        closure = builder.emit("make_tuple", *[builder.build(c) for c in function.__closure__], result=True)
    parts = (function.__code__, function.__globals__, function.__code__.co_name)
    defaults = builder.build(function.__defaults__)
    register = builder.emit("call", rec.constant(types.FunctionType), *map(rec.constant, parts), defaults, closure, result=True)
    builder.keep(function, register)
    for cell in cells:
        if (held := content(cell)) is not MISSING:
            builder.emit("store_cell", builder.made[id(cell)], builder.build(held))
    plain = types.FunctionType(*parts, None, tuple(types.CellType() for _ in function.__closure__ or ()))
    held = {name: getattr(function, name) for name in (*_TEXTS, "__kwdefaults__") if getattr(function, name) != getattr(plain, name)}
    if function.__annotations__:
        held["__annotations__"] = rec.make(function.__annotations__)
    if not _OF_THE_TYPE.isdisjoint(function.__dict__):
        raise NotReplayable(f"{function.__qualname__} has in its __dict__ what its type hides")
    for name, value in {**held, **function.__dict__}.items():
        builder.emit("set_attribute", register, rec.constant(name), builder.build(value))
    return register


def content(cell: types.CellType) -> Any:
    """What a cell holds; MISSING: nothing."""
    try:
        return cell.cell_contents
    except ValueError:
        return MISSING


def replace_symbols(value: Any, replaced: Any) -> None:
    """Numbers for symbols in a function or a cell that the call made; `replaced` does so for a value."""
    if type(value) is types.CellType:
        if (held := content(value)) is not MISSING:
            value.cell_contents = replaced(held)
        return
    if value.__defaults__:
        value.__defaults__ = tuple(map(replaced, value.__defaults__))
    for name, held in (value.__kwdefaults__ or {}).items():
        value.__kwdefaults__[name] = replaced(held)
