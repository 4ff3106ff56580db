"""Operators of the language on values of all kinds, and operators on tensors as instructions."""

from __future__ import annotations

import collections
import operator
import types
from collections.abc import Callable
from typing import Any

from kiln import _core
from kiln.capture import attributes, containers, formatting, library
from kiln.capture.recording import class_value
from kiln.capture.values import ATOMS, MISSING, NotReplayable, Symbol, is_constant, is_static, is_tensor

# By the numbers of Include/opcode.h, NB_ADD and so on: the special methods' name and the function.
_NAMES = "add and floordiv lshift matmul mul mod or pow rshift sub truediv xor".split()
_FUNCTIONS = [getattr(operator, n + "_" if n in ("and", "or") else n) for n in _NAMES]
BINARY = [(n, f, False) for n, f in zip(_NAMES, _FUNCTIONS, strict=True)]
BINARY += [(n, getattr(operator, "i" + n), True) for n in _NAMES]

# By the numbers of Include/object.h, Py_LT and so on.
EQUAL = 2
COMPARE = [operator.lt, operator.le, operator.eq, operator.ne, operator.gt, operator.ge]
_COMPARE_METHODS = ["__lt__", "__le__", "__eq__", "__ne__", "__gt__", "__ge__"]
_SWAPPED = [4, 5, 2, 3, 0, 1]

UNARY = {name: number for number, name in enumerate(_core.replay_unary)}
_UNARY_METHODS = {"UNARY_POSITIVE": "__pos__", "UNARY_NEGATIVE": "__neg__", "UNARY_INVERT": "__invert__"}
_UNARY_FUNCTIONS = {"UNARY_POSITIVE": operator.pos, "UNARY_NEGATIVE": operator.neg, "UNARY_INVERT": operator.invert}


def action(machine: Any, op: str, run: Callable[[], Any], *operands: Any, extra: int = 0) -> Any:
    """Runs a C function on tensors or symbols, and emits the instruction that does it again."""
    rec = machine.rec
    numbers = [rec.operand(o) for o in operands]
    value = run()
    register = rec.emit(op, *numbers, extra=extra, result=True)
    return rec.result(value, register, f"{op} at {len(rec.instructions)}")


def runs_in_c(value: Any) -> bool:
    """A value on which operators run no Python code, and give what depends on the call."""
    return is_tensor(value) or type(value) is Symbol


def write_check(rec: Any, target: Any, *sources: Any) -> None:
    """Before a tensor is written in place: what was there before must be off the tape, for the tape cannot be taken back."""
    tensors = [t for t in (target, *sources) if is_tensor(t)]
    if id(target) in rec.fresh:
        return
    if not _core.is_off_tape(tensors):
        raise NotReplayable("a tensor that was there before is written in place, on the tape")
    rec.emit("off_tape", *[rec.operand(t) for t in tensors])


def binary(machine: Any, number: int, x: Any, y: Any) -> Any:
    """x + y and its like, by CPython's number of the operator."""
    name, function, in_place = BINARY[number]
    rec = machine.rec
    if (runs_in_c(x) or runs_in_c(y)) and all(runs_in_c(v) or type(v) in ATOMS for v in (x, y)):
        if in_place and is_tensor(x):
            write_check(rec, x, y)
        elif in_place:
            number -= len(_NAMES)  # the same of what cannot be changed
        value = containers.rec_value
        return action(machine, "binary", lambda: function(value(x), value(y)), x, y, extra=number)
    x, y = rec.pin(x), rec.pin(y)
    if name == "mul" and type(x) is tuple and type(y) is int:
        return tuple(containers.iterate(machine, x)) * y
    if is_constant(x) and is_constant(y) and not (is_static(x) and type(x) is not type(None)) and not is_static(y):
        if name == "mod" and type(x) is str:
            x, y = rec.pin_all(x), rec.pin_all(y)
        return containers.pure_result(lambda: function(x, y))
    if name == "add" and type(x) in (list, tuple) and type(y) is type(x):
        if in_place and type(x) is list:
            return extend(machine, x, y)
        items = [*containers.iterate(machine, x), *containers.iterate(machine, y)]
        return tuple(items) if type(x) is tuple else rec.make(items)
    if name == "mul" and type(x) is list and type(y) is int and not in_place:
        return rec.make(list(containers.iterate(machine, x)) * y)
    if type(x) is dict and type(y) is dict and name == "or" and not in_place:
        return rec.make({**containers.dict_items(machine, x), **containers.dict_items(machine, y)})
    if name == "mod" and type(x) is str:
        return formatting.percent(machine, x, y)
    if type(x) is set and type(y) is set and not in_place:
        return rec.make(function(members(machine, x), members(machine, y)))
    return _by_methods(machine, name, in_place, x, y)


def members(machine: Any, value: Any) -> set:
    """A set as it is by now, checked. What is made of it has the members' order of this call only if nothing was changed."""
    rec = machine.rec
    if type(value) is not set:
        raise NotReplayable(f"it takes a {type(value).__name__} for a set")
    rec.read_whole(value)
    if id(value) in rec.mutated:
        raise NotReplayable("it takes together a set that it has changed")
    return value


def index_of(machine: Any, value: Any) -> int:
    """operator.index(value), known from here on."""
    rec = machine.rec
    value = rec.pin(value)
    if type(value) in ATOMS:
        return containers.pure_result(lambda: operator.index(value))
    if is_tensor(value):
        return rec.pin(action_of(machine, operator.index, value))
    plain = plain_number(machine, value)  # __index__ is not asked of what is an int
    if plain is not MISSING and type(rec.pin(plain)) is int:
        return rec.pin(plain)
    method = method_of(machine, value, "__index__")
    if method is not MISSING:
        return index_of(machine, machine.call(method, (value,)))
    raise NotReplayable(f"it takes a {type(value).__name__} for an index")


def action_of(machine: Any, function: Any, value: Any) -> Any:
    """function(value) of a function of C, as an instruction."""
    return action(machine, "call", lambda: function(containers.rec_value(value)), function, value)


_PLAIN = {int: int.__index__, float: float.__float__}


def plain_number(machine: Any, value: Any) -> Any:
    """The number in an instance of a subclass of int or float, as operators of C see it; MISSING if it is none.

    Asked where the class leaves an operator to the number's type: `class_value` gives that type's own slot.
    """
    rec = machine.rec
    for kind, plain in _PLAIN.items():
        if not isinstance(value, kind) or type(value) is kind or type(value) is bool:
            continue
        key = ("plain number", id(value))
        if key not in rec.memo:
            number = plain(value)
            if id(value) not in rec.registers:
                raise NotReplayable(f"it computes with a {type(value).__name__} that it has made")
            if rec.registers[id(value)] < 0:  # the one object, whose number never changes
                return number
            register = rec.emit("call", rec.constant(plain), rec.operand(value), result=True)
            rec.memo[key] = rec.check(number, register, f"the number in {rec.name_of(value)}")
        return rec.memo[key]
    return MISSING


def extend(machine: Any, target: list, items: Any) -> list:
    """target += items, in place."""
    rec = machine.rec
    values = list(containers.iterate(machine, items))
    inside = rec.before_write(target)
    if inside is not target:
        rec.operand(target)
        values = [containers.stored(rec, v) for v in values]
        for v in values:
            rec.effect("call", target, list.append, (v,))
    inside.extend(values)
    return target


def method_of(machine: Any, value: Any, name: str) -> Any:
    """A special method written in Python, or MISSING."""
    kind = type(value)
    if kind in ATOMS or is_tensor(value) or kind in (list, tuple, dict, set, frozenset, range) or is_static(value):
        found = class_value(kind, name)
    else:
        found = attributes.check_class(machine.rec, kind, name)
    return found if hasattr(found, "__code__") else MISSING


def _by_methods(machine: Any, name: str, in_place: bool, x: Any, y: Any) -> Any:
    plain = [plain_operand(machine, v, name) for v in (x, y)]
    if is_tensor(x) and (number := plain_number(machine, y)) is not MISSING:  # which the tensor, asked first, takes for one
        plain = [x, number]
    if plain[0] is not x or plain[1] is not y:
        return binary(machine, _NAMES.index(name) + in_place * len(_NAMES), *plain)
    for value in (x, y):
        for method in (f"__{name}__", f"__r{name}__"):
            found = class_value(type(value), method)
            if found is not MISSING and not hasattr(found, "__code__") and not runs_in_c(value) and type(value) not in ATOMS:
                if type(value) not in (list, tuple, dict, set, frozenset):
                    raise NotReplayable(f"an operator of {type(value).__name__}")
    if in_place:
        method = method_of(machine, x, f"__i{name}__")
        if method is not MISSING:
            value = machine.call(method, (x, y))
            if value is not NotImplemented:
                return value
    attempts = [(x, f"__{name}__", y), (y, f"__r{name}__", x)]
    if type(x) is type(y):
        attempts.pop()
    elif issubclass(type(y), type(x)) and method_of(machine, y, f"__r{name}__") is not MISSING:
        attempts.reverse()
    for target, method_name, other in attempts:
        method = method_of(machine, target, method_name)
        if method is MISSING:
            continue
        value = machine.call(method, (target, other))
        if value is not NotImplemented:
            return value
    if is_tensor(y) and (number := plain_number(machine, x)) is not MISSING:
        return binary(machine, _NAMES.index(name) + in_place * len(_NAMES), number, y)
    raise NotReplayable(f"{type(x).__name__} and {type(y).__name__} have no operator '{name}' that is recorded")


def plain_operand(machine: Any, value: Any, *names: str) -> Any:
    """The number for an instance of a subclass that leaves these operators to int or float; else the value."""
    for kind in _PLAIN:
        if isinstance(value, kind) and type(value) not in (kind, bool):
            for name in names:
                for method in (f"__{name}__", f"__r{name}__"):
                    if attributes.check_class(machine.rec, type(value), method) is not class_value(kind, method):
                        return value
            return plain_number(machine, value)
    return value


def unary(machine: Any, name: str, x: Any) -> Any:
    if name == "UNARY_NOT":
        return not truth(machine, x)
    function = _UNARY_FUNCTIONS[name]
    if runs_in_c(x):
        return action(machine, "unary", lambda: function(containers.rec_value(x)), x, extra=UNARY[name])
    if type(x) in ATOMS:
        return containers.pure_result(lambda: function(x))
    plain = plain_operand(machine, x, _UNARY_METHODS[name].strip("_"))
    if plain is not x:
        return unary(machine, name, plain)
    method = method_of(machine, x, _UNARY_METHODS[name])
    if method is MISSING:
        raise NotReplayable(f"an operator of {type(x).__name__}")
    return machine.call(method, (x,))


def compare(machine: Any, number: int, x: Any, y: Any) -> Any:
    rec = machine.rec
    function = COMPARE[number]
    if (runs_in_c(x) or runs_in_c(y)) and all(runs_in_c(v) or type(v) in ATOMS for v in (x, y)):
        value = containers.rec_value
        return action(machine, "compare", lambda: function(value(x), value(y)), x, y, extra=number)
    if type(x) is type(y) and type(x) in (list, tuple) and not (is_constant(x) and is_constant(y)):
        return _compare_sequences(machine, number, x, y)
    x, y = rec.pin_all(x), rec.pin_all(y)
    if is_constant(x) and is_constant(y):
        if is_static(x) and isinstance(x, type) and type(x) is not type:
            raise NotReplayable(f"it compares the class {x.__name__}")
        return containers.pure_result(lambda: function(x, y))
    plain = [plain_operand(machine, v, *(m.strip("_") for m in _COMPARE_METHODS)) for v in (x, y)]
    if plain[0] is not x or plain[1] is not y:
        return compare(machine, number, *plain)
    if type(x) in (list, tuple, dict, set) and type(y) in (list, tuple, dict, set) and number in (2, 3):
        if type(x) is type(y):
            return _compare_whole(machine, x, y) == (number == 2)
        return number == 3
    return _compare_by_methods(machine, number, x, y)


def matches(machine: Any, x: Any, y: Any) -> bool:
    """What containers ask of an item: the same object, or an equal one."""
    if x is y and type(x) is float and x != x:
        raise NotReplayable("it asks whether two NaN are one object")
    return x is y or truth(machine, compare(machine, EQUAL, x, y))


def _compare_sequences(machine: Any, number: int, x: Any, y: Any) -> Any:
    """By the first items that differ, else by length; where only equality is asked for, the length comes first."""
    if number in (2, 3) and containers.length_of(machine, x) != containers.length_of(machine, y):
        return number == 3
    xs, ys = list(containers.iterate(machine, x)), list(containers.iterate(machine, y))
    for a, b in zip(xs, ys, strict=False):
        if not matches(machine, a, b):
            return number == 3 if number in (2, 3) else compare(machine, number, a, b)
    return COMPARE[number](len(xs), len(ys))


def _compare_whole(machine: Any, x: Any, y: Any) -> bool:
    if type(x) is set:
        for side in (x, y):
            machine.rec.read_whole(side)
        return machine.rec.content(x) == machine.rec.content(y)
    xs, ys = containers.dict_items(machine, x), containers.dict_items(machine, y)
    if xs.keys() != ys.keys():
        return False
    return all(matches(machine, v, ys[k]) for k, v in xs.items())


def _compare_by_methods(machine: Any, number: int, x: Any, y: Any) -> Any:
    attempts = [(x, number, y), (y, _SWAPPED[number], x)]
    if type(x) is not type(y) and issubclass(type(y), type(x)) and method_of(machine, y, _COMPARE_METHODS[_SWAPPED[number]]) is not MISSING:
        attempts.reverse()
    for target, n, other in attempts:
        name = _COMPARE_METHODS[n]
        method = method_of(machine, target, name)
        if method is MISSING and n == 3:  # object.__ne__ is the opposite of __eq__
            method = method_of(machine, target, "__eq__")
            if method is not MISSING and class_value(type(target), "__ne__") is object.__ne__:
                value = machine.call(method, (target, other))
                if value is not NotImplemented:
                    return not truth(machine, value)
            continue
        if method is MISSING:
            found = class_value(type(target), name)
            plain = (
                found is class_value(object, name) or type(target) in ATOMS or type(target) in (list, tuple, dict, set) or is_static(target)
            )
            if not plain and not is_tensor(target):
                raise NotReplayable(f"it compares a {type(target).__name__}")
            continue
        value = machine.call(method, (target, other))
        if value is not NotImplemented:
            return value
    if number in (2, 3) and not is_tensor(x) and not is_tensor(y):
        return is_same(machine, x, y) == (number == 2)
    raise NotReplayable(f"it compares a {type(x).__name__} and a {type(y).__name__}")


_INDISTINCT = (int, float, complex, str, bytes)  # equal ones are one object or two, as CPython likes


def is_same(machine: Any, x: Any, y: Any) -> bool:
    """x is y. Two known objects stay two objects, or one."""
    rec = machine.rec
    if type(x) is Symbol or type(y) is Symbol:
        if x is None or y is None or isinstance(x, (bool, type)) or isinstance(y, (bool, type)):
            if bool in (type(x), type(y)):
                return rec.pin(x) is rec.pin(y)
            return False
        other = y if type(x) is Symbol else x
        if type(other) is not Symbol and type(other) not in _INDISTINCT:
            return False
        raise NotReplayable("it asks whether two numbers are one object")
    if type(x) in _INDISTINCT and type(y) is type(x):
        raise NotReplayable(f"it asks whether two values of {type(x).__name__} are one object")
    a, b = rec.registers.get(id(x)), rec.registers.get(id(y))
    if x is y:
        return True
    if a is not None and b is not None and type(x) is type(y):
        rec.once("distinct", a, b, path=f"{rec.name_of(x)} is {rec.name_of(y)}")
    elif a is not None and is_static(y) and type(y) is not type(None):
        rec.once("distinct", a, rec.constant(y), path=f"{rec.name_of(x)} is ...")
    return False


def carried(rec: Any, value: Any) -> Symbol:
    """A number with a register of its own, which a loop may change."""
    now = value.value if type(value) is Symbol else value
    return Symbol(now, rec.emit("unary", rec.operand(value), extra=UNARY["UNARY_POSITIVE"], result=True))


def truth(machine: Any, value: Any) -> bool:
    """bool(value), which decides where the program goes on."""
    rec = machine.rec
    if value is None or type(value) is bool:
        return bool(value)
    if type(value) is Symbol and type(value.value) is bool:
        return rec.pin(value)
    if is_tensor(value) or type(value) is Symbol:
        register = rec.operand(value)
        memo = ("truth", register)
        if is_tensor(value) or memo not in rec.memo:
            is_true = bool(containers.rec_value(value))
            made = rec.emit("unary", register, extra=UNARY["TRUTH"], result=True)
            rec.emit("same", made, rec.constant(is_true), path=f"bool({rec.name_of(value, 'a value')})")
            rec.memo[memo] = is_true
        return rec.memo[memo]
    kind = type(value)
    if kind in ATOMS or kind in (range, frozenset) or is_static(value):
        if isinstance(value, type) and type(value) is not type:
            raise NotReplayable(f"it asks whether the class {value.__name__} is true")
        return bool(value)
    if kind in (list, tuple, dict, set, collections.deque, collections.OrderedDict, collections.defaultdict):
        return containers.length_of(machine, value) > 0
    if kind is types.MappingProxyType:
        return containers.length_of(machine, library.viewed(rec, value)) > 0
    if library.is_view(value):
        return len(containers.view_items(machine, value)) > 0
    plain = plain_operand(machine, value, "bool")
    if plain is not value:
        return truth(machine, plain)
    method = method_of(machine, value, "__bool__")
    if method is not MISSING:
        result = rec.pin(machine.call(method, (value,)))
        if type(result) is not bool:
            raise NotReplayable("__bool__ gives no bool")
        return result
    method = method_of(machine, value, "__len__") if class_value(kind, "__bool__") is MISSING else MISSING
    if method is not MISSING:
        return containers.length_by(machine, method, value) != 0
    if class_value(kind, "__bool__") is not MISSING or class_value(kind, "__len__") is not MISSING:
        raise NotReplayable(f"it asks whether a {kind.__name__} is true")
    return True
