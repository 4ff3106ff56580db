"""The end of a recording: what the call changed and gave, built from registers at every replay."""

from __future__ import annotations

import collections
import functools
import itertools
import operator
import types
from typing import Any

from kiln.capture import collected, functions, library
from kiln.capture.frames import InterpretedGenerator
from kiln.capture.recording import Recording, class_value
from kiln.capture.values import HEAP_TYPE, MISSING, NotReplayable, Symbol, is_constant, is_tensor, unknown

_MAKERS = {class_value(kind, "__new__"): kind for kind in (object, dict, list, set, int, float)}


class Builder:
    """Emits the instructions behind the commit. An object that the call made is made once, however often it is used."""

    def __init__(self, rec: Recording) -> None:
        self.rec = rec
        self.steps: list[tuple] = []
        self.made: dict[int, int] = {}

    def emit(self, op: str, *operands: int, extra: int = 0, result: bool = False) -> int:
        return self.rec.emit(op, *operands, extra=extra, result=result)

    def build(self, value: Any) -> int:
        rec = self.rec
        if type(value) is Symbol:
            return value.register
        if id(value) in self.made:
            return self.made[id(value)]
        known = rec.registers.get(id(value))
        if known is not None:
            return known
        kind = type(value)
        if kind is tuple and (not is_constant(value) or rec.has_own(value)):
            return self.keep(value, self.emit("make_tuple", *[self.build(v) for v in value], result=True))
        if kind is types.FunctionType and id(value) in rec.fresh:
            return functions.build(self, value)
        if is_constant(value):
            return rec.constant(value)
        if id(value) not in rec.fresh:
            raise unknown(value)
        made = collected.build(self, value)
        if made is not None:
            return made
        if library.is_view(value):
            return library.build_view(self, value)
        if kind is list:
            register = self.keep(value, self.emit("make_list", result=True))
            for item in value:
                self.emit("call", rec.constant(list.append), register, self.build(item), result=True)
            return register
        if kind is dict:
            register = self.keep(value, self.emit("make_dict", result=True))
            for k, v in value.items():
                self.emit("set_item", register, self.build(k), self.build(v))
            return register
        if kind is set:
            if list(value) != list(_made_again(value)):
                raise NotReplayable("a set outlives the call whose members would come in another order if it were made again")
            register = self.keep(value, self.emit("call", rec.constant(set), result=True))
            for item in value:
                self.emit("call", rec.constant(set.add), register, self.build(item), result=True)
            return register
        if kind is slice:
            return self.emit("make_slice", *[self.build(v) for v in (value.start, value.stop, value.step)], result=True)
        if kind is types.MethodType:
            return self.keep(
                value,
                self.emit("call", rec.constant(types.MethodType), self.build(value.__func__), self.build(value.__self__), result=True),
            )
        if kind is functools.partial:
            parts = [self.build(v) for v in (value.func, *value.args, *value.keywords.values())]
            named = [rec.constant(tuple(value.keywords))] if value.keywords else []
            return self.keep(value, self.emit("call", rec.constant(kind), *parts, *named, extra=len(value.keywords), result=True))
        if isinstance(value, tuple) and kind.__flags__ & HEAP_TYPE and not getattr(value, "__dict__", None):
            items = self.emit("make_tuple", *[self.build(v) for v in tuple.__iter__(value)], result=True)
            return self.keep(value, self.emit("call", rec.constant(tuple.__new__), rec.constant(kind), items, result=True))
        return self._instance(value)

    def keep(self, value: Any, register: int) -> int:
        self.made[id(value)] = register
        return register

    def _instance(self, value: Any) -> int:
        rec, kind = self.rec, type(value)
        maker = _MAKERS.get(class_value(kind, "__new__"))
        if is_tensor(value) or maker is None or not kind.__flags__ & HEAP_TYPE:
            raise NotReplayable(f"a {kind.__name__} that the call makes outlives it")
        number = [self.build(rec.memo["plain number", id(value)])] if maker in (int, float) else []
        register = self.keep(value, self.emit("call", rec.constant(maker.__new__), rec.constant(kind), *number, result=True))
        if maker is dict:
            for k, v in dict.items(value):
                self.emit("call", rec.constant(dict.__setitem__), register, self.build(k), self.build(v), result=True)
        if maker in (list, set):
            for item in maker.__iter__(value):
                add = list.append if maker is list else set.add
                self.emit("call", rec.constant(add), register, self.build(item), result=True)
        for name, attribute in _attributes(value).items():
            held = rec.written.get((id(value), name), attribute)
            self.emit("set_attribute", register, rec.constant(name), self.build(attribute if held is MISSING else held))
        return register

    def effect(self, kind: str, target: Any, *rest: Any) -> None:
        rec = self.rec
        place = rec.operand(target)
        if kind == "setattr":
            self.emit("set_attribute", place, rec.constant(rest[0]), self.build(rest[1]))
        elif kind == "delattr":
            self.emit("delete_attribute", place, rec.constant(rest[0]))
        elif kind == "setitem":
            self.emit("set_item", place, self.build(rest[0]), self.build(rest[1]))
        elif kind == "delitem":
            self.emit("delete_item", place, self.build(rest[0]))
        elif kind == "cell":
            self.emit("store_cell", place, self.build(rest[0]))
        else:
            self.emit("call", rec.constant(rest[0]), place, *[self.build(a) for a in rest[1]], result=True)


def _made_again(members: set) -> set:
    """Of the same members, each added when its turn comes: a set's order follows from how it came to be."""
    made = set()
    for member in members:
        made.add(member)
    return made


def _attributes(value: Any) -> dict[str, Any]:
    """What an instance holds, in its dict and its slots."""
    held = dict(getattr(value, "__dict__", {}))
    for base in type(value).__mro__:
        for name, slot in base.__dict__.items():
            if type(slot) is types.MemberDescriptorType and name not in held:
                try:
                    held[name] = slot.__get__(value)
                except AttributeError:
                    continue
    return held


def finish(rec: Recording, result: Any) -> Any:
    """Emits the end: what is distinct, the commit, the effects, the result. Gives the result without symbols."""
    if any(type(made) is InterpretedGenerator and made.has_to_end for made in rec.alive):
        raise NotReplayable("a generator is left in the middle of a try or with statement, which ends when it is dropped")
    _check_distinct(rec)
    rec.emit("commit")
    builder = Builder(rec)
    for effect in rec.effects:
        builder.effect(*effect)
    rec.emit("give", builder.build(result))
    for made in list(rec.alive):
        if id(made) in rec.fresh:
            without_symbols(rec, made)
    return without_symbols(rec, result)


def _check_distinct(rec: Recording) -> None:
    """What the call changes is not, at another call, the same object as something of its type that it also looked at."""
    known = {id(value): value for value in rec.alive}
    changed = {target for target in (*rec.mutated, *(target for target, _ in rec.written)) if target in rec.registers}
    for target in changed:
        place = rec.registers[target]
        for other, register in list(rec.registers.items()):
            one, two = known.get(target), known.get(other)
            if register != place and type(one) is type(two) and (place >= 0 or register >= 0):
                rec.once("distinct", place, register, path=f"{rec.name_of(one)} is {rec.name_of(two)}")


_SET_CELL = types.CellType.cell_contents.__set__
# What an effect does, as a function of C and its arguments.
_APPLY: dict[str, Any] = {
    "setattr": lambda target, name, value: ((type if isinstance(target, type) else object).__setattr__, target, name, value),
    "delattr": lambda target, name: (object.__delattr__, target, name),
    "setitem": lambda target, key, value: (operator.setitem, target, key, value),
    "delitem": lambda target, key: (operator.delitem, target, key),
    "cell": lambda cell, value: (_SET_CELL, cell, value),
    "call": lambda target, method, args: (method, target, *args),
}


def apply(rec: Recording) -> None:
    """Does what the call changes, once it is known to succeed, in C alone: interrupts are looked for between Python's instructions."""
    steps = [_APPLY[kind](target, *[without_symbols(rec, v) for v in rest]) for kind, target, *rest in rec.effects]
    collections.deque(itertools.starmap(operator.call, [(rec.undo.clear,), *steps]), maxlen=0)


def without_symbols(rec: Recording, value: Any, seen: set[int] | None = None) -> Any:
    """The value as the program sees it: numbers for symbols, also inside of what the call made."""
    seen = set() if seen is None else seen
    kind = type(value)
    if kind is Symbol:
        return value.value
    if isinstance(value, tuple) and not is_constant(value):
        return _tuple_without_symbols(rec, value, seen)
    if id(value) not in rec.fresh or id(value) in seen:
        return value
    seen.add(id(value))
    if kind is list:
        value[:] = [without_symbols(rec, v, seen) for v in value]
    elif kind is dict:
        for k, v in value.items():
            value[k] = without_symbols(rec, v, seen)
    elif kind is functools.partial:
        named = {k: without_symbols(rec, v, seen) for k, v in value.keywords.items()}
        value.__setstate__((value.func, tuple(without_symbols(rec, v, seen) for v in value.args), named, None))
    elif kind is collections.deque:
        for i, v in enumerate(value):
            value[i] = without_symbols(rec, v, seen)
    elif isinstance(value, (dict, list)):
        for k, v in list(dict.items(value) if isinstance(value, dict) else enumerate(list.__iter__(value))):
            (dict if isinstance(value, dict) else list).__setitem__(value, k, without_symbols(rec, v, seen))
    elif kind in (types.FunctionType, types.CellType):
        functions.replace_symbols(value, lambda v: without_symbols(rec, v, seen))
    if getattr(value, "__dict__", None) and not isinstance(value, type):
        for k, v in value.__dict__.items():
            value.__dict__[k] = without_symbols(rec, v, seen)
    return value


def _tuple_without_symbols(rec: Recording, value: tuple, seen: set[int]) -> tuple:
    """Another tuple only if there were symbols in it, and one for all who hold it."""
    if id(value) not in rec.replaced:
        items = tuple(without_symbols(rec, v, seen) for v in tuple.__iter__(value))
        same = all(new is old for new, old in zip(items, tuple.__iter__(value), strict=True))
        made = value if same else items if type(value) is tuple else tuple.__new__(type(value), items)
        rec.replaced[id(value)] = made
        rec.alive.append(value)
    return rec.replaced[id(value)]
