"""The end of a recording: what the call changed and gave, built from registers at every replay."""

from __future__ import annotations

import _thread
import types
from typing import Any

from kiln.capture.recording import Recording, class_value
from kiln.capture.values import HEAP_TYPE, MISSING, NotReplayable, Symbol, is_constant, is_tensor, unknown


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
        if kind is tuple and not is_constant(value):
            return self._keep(value, self.emit("make_tuple", *[self.build(v) for v in value], result=True))
        if is_constant(value):
            return rec.constant(value)
        if id(value) not in rec.fresh:
            raise unknown(value)
        if kind is list:
            register = self._keep(value, self.emit("make_list", result=True))
            for item in value:
                self.emit("call", rec.constant(list.append), register, self.build(item), result=True)
            return register
        if kind is dict:
            register = self._keep(value, self.emit("make_dict", result=True))
            for k, v in value.items():
                self.emit("set_item", register, self.build(k), self.build(v))
            return register
        if kind is set:
            register = self._keep(value, self.emit("call", rec.constant(set), result=True))
            for item in value:
                self.emit("call", rec.constant(set.add), register, self.build(item), result=True)
            return register
        if kind is slice:
            return self.emit("make_slice", *[self.build(v) for v in (value.start, value.stop, value.step)], result=True)
        if kind is types.MethodType:
            return self._keep(
                value,
                self.emit("call", rec.constant(types.MethodType), self.build(value.__func__), self.build(value.__self__), result=True),
            )
        if isinstance(value, tuple) and kind.__flags__ & HEAP_TYPE and not getattr(value, "__dict__", None):
            items = self.emit("make_tuple", *[self.build(v) for v in tuple.__iter__(value)], result=True)
            return self._keep(value, self.emit("call", rec.constant(tuple.__new__), rec.constant(kind), items, result=True))
        return self._instance(value)

    def _keep(self, value: Any, register: int) -> int:
        self.made[id(value)] = register
        return register

    def _instance(self, value: Any) -> int:
        rec, kind = self.rec, type(value)
        if is_tensor(value) or class_value(kind, "__new__") is not object.__new__ or not kind.__flags__ & HEAP_TYPE:
            raise NotReplayable(f"a {kind.__name__} that the call makes outlives it")
        register = self._keep(value, self.emit("call", rec.constant(object.__new__), rec.constant(kind), result=True))
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
    _check_distinct(rec)
    rec.emit("commit")
    builder = Builder(rec)
    for effect in rec.effects:
        builder.effect(*effect)
    rec.emit("give", builder.build(result))
    for made in rec.alive:
        if id(made) in rec.fresh:
            without_symbols(rec, made)
    return without_symbols(rec, result)


def _check_distinct(rec: Recording) -> None:
    """What the call changes is not, at another call, the same object as something of its type that it also looked at."""
    types_of = {id(value): type(value) for value in rec.alive}
    changed = {target for target in (*rec.mutated, *(target for target, _ in rec.written)) if target in rec.registers}
    for target in changed:
        place = rec.registers[target]
        for other, register in list(rec.registers.items()):
            if register != place and types_of.get(other) is types_of.get(target) and (place >= 0 or register >= 0):
                rec.once("distinct", place, register, path="two objects, of which one is changed")


_APPLY: dict[str, Any] = {
    "setattr": object.__setattr__,
    "delattr": object.__delattr__,
    "setitem": lambda target, key, value: target.__setitem__(key, value),
    "delitem": lambda target, key: target.__delitem__(key),
    "cell": lambda cell, value: setattr(cell, "cell_contents", value),
    "call": lambda target, method, args: method(target, *args),
}


def apply(rec: Recording) -> None:
    """Does what the call changes, once it is known to succeed. An interrupt waits until all is done."""
    interrupted = False
    effects = iter([(kind, target, [without_symbols(rec, v) for v in rest]) for kind, target, *rest in rec.effects])
    while True:
        try:
            for kind, target, rest in effects:
                _APPLY[kind](target, *rest)
            break
        except KeyboardInterrupt:
            interrupted = True
    if interrupted:
        _thread.interrupt_main()


def without_symbols(rec: Recording, value: Any, seen: set[int] | None = None) -> Any:
    """The value as the program sees it: numbers for symbols, also inside of what the call made."""
    seen = set() if seen is None else seen
    kind = type(value)
    if kind is Symbol:
        return value.value
    if kind is tuple:
        return tuple(without_symbols(rec, v, seen) for v in value) if not is_constant(value) else value
    if id(value) not in rec.fresh or id(value) in seen:
        return value
    seen.add(id(value))
    if kind is list:
        value[:] = [without_symbols(rec, v, seen) for v in value]
    elif kind is dict:
        for k, v in value.items():
            value[k] = without_symbols(rec, v, seen)
    elif getattr(value, "__dict__", None):
        for k, v in value.__dict__.items():
            value.__dict__[k] = without_symbols(rec, v, seen)
    return value
