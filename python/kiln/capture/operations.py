"""Operators of the language on values of all kinds, and operators on tensors as instructions."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from kiln import _core
from kiln.capture import attributes, containers
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

# In the order of the table in replay_run.cpp.
UNARY = {"UNARY_POSITIVE": 0, "UNARY_NEGATIVE": 1, "UNARY_NOT": 2, "UNARY_INVERT": 3, "TRUTH": 4}
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
    if type(x) is set and type(y) is set and not in_place and id(x) in rec.fresh and id(y) in rec.fresh:
        return rec.make(function(x, y))
    if name == "mod" and type(x) is str:
        raise NotReplayable("it formats objects with %")
    return _by_methods(machine, name, in_place, x, y)


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
    raise NotReplayable(f"{type(x).__name__} and {type(y).__name__} have no operator '{name}' that is recorded")


def unary(machine: Any, name: str, x: Any) -> Any:
    if name == "UNARY_NOT":
        return not truth(machine, x)
    function = _UNARY_FUNCTIONS[name]
    if runs_in_c(x):
        return action(machine, "unary", lambda: function(containers.rec_value(x)), x, extra=UNARY[name])
    if type(x) in ATOMS:
        return containers.pure_result(lambda: function(x))
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
    x, y = rec.pin_all(x), rec.pin_all(y)
    if is_constant(x) and is_constant(y):
        if is_static(x) and isinstance(x, type) and type(x) is not type:
            raise NotReplayable(f"it compares the class {x.__name__}")
        return containers.pure_result(lambda: function(x, y))
    if type(x) is type(y) and type(x) in (list, tuple) and number in (2, 3):
        return _compare_sequences(machine, x, y) == (number == 2)
    if type(x) in (list, tuple, dict, set) and type(y) in (list, tuple, dict, set) and number in (2, 3):
        if type(x) is type(y):
            return _compare_whole(machine, x, y) == (number == 2)
        return number == 3
    return _compare_by_methods(machine, number, x, y)


def matches(machine: Any, x: Any, y: Any) -> bool:
    """What containers ask of an item: the same object, or an equal one."""
    return x is y or truth(machine, compare(machine, EQUAL, x, y))


def _compare_sequences(machine: Any, x: Any, y: Any) -> bool:
    xs, ys = list(containers.iterate(machine, x)), list(containers.iterate(machine, y))
    if len(xs) != len(ys):
        return False
    return all(matches(machine, a, b) for a, b in zip(xs, ys, strict=True))


def _compare_whole(machine: Any, x: Any, y: Any) -> bool:
    if type(x) is set:
        if id(x) in machine.rec.fresh and id(y) in machine.rec.fresh:
            return x == y
        raise NotReplayable("it compares sets")
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
    if kind in (list, tuple, dict, set):
        return containers.length_of(machine, value) > 0
    if kind in containers.DICT_VIEWS:
        return len(containers.view_items(machine, value)) > 0
    method = method_of(machine, value, "__bool__")
    if method is not MISSING:
        result = rec.pin(machine.call(method, (value,)))
        if type(result) is not bool:
            raise NotReplayable("__bool__ gives no bool")
        return result
    method = method_of(machine, value, "__len__")
    if method is not MISSING:
        return rec.pin(machine.call(method, (value,))) != 0
    if class_value(kind, "__bool__") is not MISSING or class_value(kind, "__len__") is not MISSING:
        raise NotReplayable(f"it asks whether a {kind.__name__} is true")
    return True
