"""Functions of C that a recording may call, and how: the one table of them.

What is not here ends a recording before it is called. To be here, a function must do nothing but compute, from its arguments alone, and
must not call back into Python; or it has a polyfill, which the interpreter runs in its stead where arguments are more than constants.
"""

from __future__ import annotations

import cmath
import collections
import functools
import itertools
import math
import operator
import sys
import types
import weakref
from collections.abc import Callable
from typing import Any

from kiln import _core
from kiln._core import Tensor
from kiln.capture import assignments, attributes, collected, containers, generators, library, operations, polyfills, sorting
from kiln.capture.attributes import Bound, SuperObject
from kiln.capture.recording import class_value
from kiln.capture.values import ATOMS, IS_ABSTRACT, MISSING, NotReplayable, Raised, Symbol, is_constant, is_tensor

_OF_SEQUENCES = {"fsum", "prod", "dist", "sumprod"}
_OPERATORS = "add sub mul truediv floordiv mod neg pos abs index lshift rshift xor and_ or_ invert pow lt le gt ge eq ne not_ truth".split()

# Of constants: called for real, and the result is a constant. With a symbol among the arguments: an instruction, whose result is a symbol.
NUMERIC: set[Any] = {
    abs, round, divmod, pow, int, float, bool, complex, hash,
    *(f for m in (math, cmath) for name, f in vars(m).items() if callable(f) and name not in _OF_SEQUENCES),
    *(getattr(operator, name) for name in _OPERATORS),
}  # fmt: skip
PURE: set[Any] = {
    ord, chr, bin, oct, hex, ascii, repr, str, format, bytes, frozenset, range, slice,
    math.fsum, math.prod, math.dist, int.from_bytes, float.fromhex, str.maketrans, bytes.fromhex,
}  # fmt: skip
_CONVERSIONS = ("int", "float", "index")  # what such functions ask of a number that is no plain one
# Methods of immutable types are pure, whatever their arguments are, as long as those are constants.
PURE_TYPES = (str, bytes, int, float, complex, bool, tuple, frozenset, range, slice)

POLYFILLS: dict[Any, types.FunctionType] = {
    any: polyfills.any_, all: polyfills.all_, sum: polyfills.sum_, min: polyfills.min_, max: polyfills.max_, map: polyfills.map_,
    filter: polyfills.filter_, zip: polyfills.zip_, enumerate: polyfills.enumerate_,
    functools.reduce: polyfills.reduce_, sorted: polyfills.sorted_, list: polyfills.list_, tuple: polyfills.tuple_, set: polyfills.set_,
    dict: polyfills.dict_, divmod: polyfills.divmod_, str.join: polyfills.join_, list.extend: polyfills.list_extend,
    list.index: polyfills.list_index, list.count: polyfills.list_count, list.copy: polyfills.list_copy,
    list.reverse: polyfills.list_reverse, list.pop: polyfills.list_pop, list.remove: polyfills.list_remove,
    dict.get: polyfills.dict_get, dict.pop: polyfills.dict_pop,
    dict.setdefault: polyfills.dict_setdefault, dict.update: polyfills.dict_update, dict.copy: polyfills.dict_copy,
    set.update: polyfills.set_update, set.remove: polyfills.set_remove, list.sort: polyfills.list_sort,
    dict.fromkeys: polyfills.dict_fromkeys, collections.deque.count: polyfills.list_count, collections.deque.index: polyfills.list_index,
    collections.deque.remove: polyfills.list_remove, collections.OrderedDict.pop: polyfills.dict_pop,
    collections.OrderedDict.setdefault: polyfills.dict_setdefault, collections.OrderedDict.update: polyfills.dict_update,
    collections.OrderedDict.copy: polyfills.ordered_copy, collections._count_elements: polyfills.count_elements,
}  # fmt: skip
# Of these, what the interpreter makes is an iterator of its own: they are always run as polyfills.
LAZY = {map, filter, zip, enumerate}

# Functions of the core, run as instructions: they see tensors and numbers, and what they change is put back when a run is taken back.
CORE: set[Any] = {
    _core.asarray, _core.is_grad_enabled, _core.set_grad_enabled, _core.default_dtype, _core.manual_seed,
    _core.random_state, _core.set_random_state, _core.same_type, _core.num_threads,
}  # fmt: skip
TENSOR_METHODS: set[Any] = {class_value(Tensor, n) for n in ("item", "detach", "tolist", "requires_grad_", "is_contiguous")}

SPECIAL: dict[Any, Callable] = {}


def is_ours(function: types.FunctionType) -> bool:
    return function.__module__ == polyfills.__name__


def is_listed(function: Any) -> bool:
    try:
        if function in SPECIAL or function in NUMERIC or function in PURE or function in POLYFILLS or function in CORE:
            return True
    except TypeError:
        return False
    if isinstance(function, _core.Operator) or function in TENSOR_METHODS:
        return True
    if isinstance(function, type):
        return False
    if isinstance(function, (types.MethodDescriptorType, types.WrapperDescriptorType, types.ClassMethodDescriptorType)):
        return function.__objclass__ in PURE_TYPES or function in SLOTS
    return isinstance(getattr(function, "__self__", None), type) and function.__self__ in PURE_TYPES


def polyfill_of(function: types.FunctionType) -> Any:
    return function if function in (polyfills.sorted_by, polyfills.join_all, polyfills.same_or_equal) else None


def run_polyfill(machine: Any, function: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
    """What the polyfills leave to C, once everything they need is a constant."""
    rec = machine.rec
    if function is polyfills.join_all:
        parts = [rec.pin(p) for p in args[1]]
        return containers.pure_result(lambda: rec.pin(args[0]).join(parts))
    if function is polyfills.same_or_equal:
        return operations.matches(machine, *args)
    items, keys, reverse = args
    return rec.make([items[i] for i in sorting.order_of(machine, keys, reverse)])


def call(machine: Any, function: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
    """A call of a function in the table."""
    rec = machine.rec
    special = SPECIAL.get(function)
    if special is not None:
        return special(machine, *args, **kwargs)
    if isinstance(function, _core.Operator) or function in CORE or function in TENSOR_METHODS:
        return _run(machine, function, args, kwargs)
    if function in NUMERIC and (any(operations.runs_in_c(a) for a in args)) and not kwargs:
        if all(operations.runs_in_c(a) or type(a) in ATOMS for a in args):
            return _run(machine, function, args, kwargs)
    slot = SLOTS.get(function)
    if slot is not None:
        return slot(machine, *args, **kwargs)
    if function in LAZY:
        return machine.call(POLYFILLS[function], args, kwargs)
    if function in NUMERIC and args and not kwargs:
        plain = tuple(operations.plain_operand(machine, a, *_CONVERSIONS, function.__name__) for a in args)
        if any(p is not a for p, a in zip(plain, args, strict=True)):
            return call(machine, function, plain, kwargs)
    if function is range:
        if not kwargs and (opened := containers.open_range(machine, args)) is not None:
            return opened
        args = tuple(operations.index_of(machine, a) for a in args)
    if function in POLYFILLS and not all(map(is_constant, (*args, *kwargs.values()))):
        method = _dunder_of(machine, function, args)
        return machine.call(POLYFILLS[function], args, kwargs) if method is None else method
    pinned = tuple(rec.pin_all(a) for a in args)
    if all(is_constant(a) and not _own_class(a) for a in pinned) and all(is_constant(rec.pin_all(a)) for a in kwargs.values()):
        if function not in (list, dict, set) and function is not sorted:
            value = containers.pure_result(lambda: function(*pinned, **{k: rec.pin_all(v) for k, v in kwargs.items()}))
            return value if is_constant(value) or type(value) is tuple else rec.make(value)
    method = _dunder_of(machine, function, args)
    if method is not None:
        return method
    if function in POLYFILLS:
        return machine.call(POLYFILLS[function], args, kwargs)
    kinds = ", ".join(type(a).__name__ for a in args)
    raise NotReplayable(f"it calls {getattr(function, '__qualname__', function)}({kinds})")


def _own_class(value: Any) -> bool:
    """A class whose metaclass is written in Python, where even repr may be anything."""
    return isinstance(value, type) and type(value) is not type


def _run(machine: Any, function: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
    """Calls it, and emits the instruction that calls it again."""
    rec = machine.rec
    if function in TENSOR_METHODS:
        _before_method(machine, function, args)
    value = containers.rec_value
    args = tuple(_listed(machine, a) for a in args)
    kwargs = {k: _listed(machine, v) for k, v in kwargs.items()}
    operands = [rec.constant(function), *[rec.operand(a) for a in args], *[rec.operand(v) for v in kwargs.values()]]
    if kwargs:
        operands.append(rec.constant(tuple(kwargs)))
    result = function(*[value(a) for a in args], **{k: value(v) for k, v in kwargs.items()})
    register = rec.emit("call", *operands, extra=len(kwargs), result=True)
    return rec.result(result, register, f"{getattr(function, '__name__', 'a call')} at {len(rec.instructions)}")


def _listed(machine: Any, value: Any) -> Any:
    """A list or tuple of state as one that this call made, of the same items: what operators take several tensors in."""
    rec = machine.rec
    if type(value) is list and id(value) not in rec.fresh:
        return rec.make(list(containers.iterate(machine, value)))
    if isinstance(value, tuple) and id(value) in rec.registers:
        return tuple(containers.iterate(machine, value))
    if containers.is_iterator(value):
        return rec.make(list(containers.iterate(machine, value)))
    return value


def _before_method(machine: Any, function: Any, args: tuple) -> None:
    rec = machine.rec
    name = function.__name__
    if name == "requires_grad_" and id(args[0]) not in rec.fresh:
        raise NotReplayable("it asks for gradients of a tensor that was there before")


def initialise(machine: Any, made: Any, args: tuple, kwargs: dict[str, Any]) -> None:
    """list.__init__ and its like, of an instance of a subclass that the call has just made."""
    if isinstance(made, list):
        made.extend(v for a in args for v in containers.iterate(machine, a))
    elif isinstance(made, set):
        made.update(containers.check_key(machine, v) for a in args for v in containers.iterate(machine, a))
    else:
        for source in args:
            made.update(containers.dict_items(machine, source))
        made.update(kwargs)


# ---- methods of containers, and slots under their names ----------------------------------------------------------------


def special(*functions: Any):
    def add(handler: Callable) -> Callable:
        for function in functions:
            SPECIAL[function] = handler
        return handler

    return add


def _insert(machine: Any, target: list, index: Any, value: Any) -> None:
    if id(target) not in machine.rec.fresh:
        containers.length_of(machine, target)
    collected.change(machine, target, list.insert, operations.index_of(machine, index), value)


def _clear(machine: Any, target: Any) -> None:
    rec = machine.rec
    inside = rec.before_write(target)
    if inside is not target:
        rec.operand(target)
        rec.read_whole(target)
        if isinstance(target, dict):
            for k in inside:
                rec.written[id(target), k] = MISSING
    collected.change(machine, target, collections.OrderedDict.clear if isinstance(target, collections.OrderedDict) else type(inside).clear)


def _change_set(machine: Any, target: set, method: Any, value: Any) -> None:
    value = containers.check_key(machine, value)
    if id(target) not in machine.rec.fresh and not is_constant(value):
        raise NotReplayable("it changes a set of objects")
    collected.change(machine, target, method, value)


# What methods of containers do, and object.__setattr__ and other slots under their names.
SLOTS: dict[Any, Callable] = {
    **library.METHODS,
    **collected.METHODS,
    **generators.METHODS,
    list.append: lambda m, target, value: collected.change(m, target, list.append, value),
    list.insert: _insert,
    list.clear: _clear,
    dict.clear: _clear,
    set.clear: _clear,
    collections.OrderedDict.clear: _clear,
    set.add: lambda m, target, value: _change_set(m, target, set.add, value),
    set.discard: lambda m, target, value: _change_set(m, target, set.discard, value),
    object.__setattr__: lambda m, obj, name, value: assignments.set_plain(m, obj, m.rec.pin(name), value),
    object.__delattr__: lambda m, obj, name: assignments.delete_plain(m, obj, m.rec.pin(name)),
    object.__getattribute__: lambda m, obj, name: attributes.generic_get(m, obj, m.rec.pin(name)),
    type.__call__: lambda m, cls, *args, **kwargs: calls.construct_plain(m, cls, args, kwargs),
    object.__init__: lambda m, obj, *args, **kwargs: None,
    dict.__getitem__: lambda m, d, k: containers.get_item_of_dict(m, d, k),
    dict.__setitem__: lambda m, d, k, v: containers.set_item_of_dict(m, d, k, v),
    dict.__delitem__: lambda m, d, k: containers.delete_item_of_dict(m, d, k),
    dict.__contains__: lambda m, d, k: containers.dict_contains(m, d, k),
    dict.__iter__: lambda m, d: containers.iterator_of_dict(m, d),
    list.__getitem__: lambda m, d, k: containers.get_item(m, d, k),
    list.__setitem__: lambda m, d, k, v: containers.set_item(m, d, k, v),
    list.__len__: lambda m, d: containers.length_of(m, d),
    dict.__len__: lambda m, d: containers.length_of(m, d),
    list.__init__: lambda m, made, *args: initialise(m, made, args, {}),
    dict.__init__: lambda m, made, *args, **kwargs: initialise(m, made, args, kwargs),
}
for _kind in (dict, collections.OrderedDict):
    for _name in ("keys", "values", "items"):
        SLOTS[getattr(_kind, _name)] = lambda m, d, _name=_name: containers.view_of(m, d, _name)
for _name in ("union", "intersection", "difference", "issubset", "issuperset", "isdisjoint", "copy", "symmetric_difference"):

    def _of_sets(machine: Any, *sets: Any, _name: str = _name) -> Any:
        known = [s if type(s) is frozenset and is_constant(s) else operations.members(machine, s) for s in sets]
        value = getattr(set, _name)(*known)
        return machine.rec.make(value) if type(value) is set else value

    SLOTS[getattr(set, _name)] = _of_sets

for _number, (_, _function, _) in enumerate(operations.BINARY):
    SPECIAL[_function] = lambda m, x, y, _number=_number: operations.binary(m, _number, x, y)
for _number, _function in enumerate(operations.COMPARE):
    SPECIAL[_function] = lambda m, x, y, _number=_number: operations.compare(m, _number, x, y)
SPECIAL[operator.neg] = lambda m, x: operations.unary(m, "UNARY_NEGATIVE", x)
SPECIAL[operator.not_] = lambda m, x: not operations.truth(m, x)
SPECIAL[operator.truth] = operations.truth
SPECIAL[operator.getitem] = lambda m, x, k: containers.get_item(m, x, k)
SPECIAL[operator.is_] = operations.is_same
SPECIAL[operator.is_not] = lambda m, x, y: not operations.is_same(m, x, y)
SPECIAL[operator.contains] = lambda m, x, y: containers.contains(m, x, y)


def _dunder_of(machine: Any, function: Any, args: tuple) -> Any:
    """int(), float(), str(), repr(), abs(), hash() and the like of instances, by their special methods."""
    names = {f: f"__{f.__name__}__" for f in (int, float, complex, str, repr, abs, round, hash, format, bytes, bool, divmod)}
    name = names.get(function) if isinstance(function, (type, types.BuiltinFunctionType)) else None
    if name is None or not args or is_tensor(args[0]) or is_constant(args[0]):
        return None
    if function is bool:
        return operations.truth(machine, args[0])
    method = operations.method_of(machine, args[0], name)
    if method is MISSING and name == "__str__":
        method = operations.method_of(machine, args[0], "__repr__")
        if class_value(type(args[0]), "__str__") is not object.__str__:
            method = MISSING
    if method is MISSING and function is format and args[1:] == ("",):
        return machine.call(str, args[:1])
    if method is MISSING and function in (str, repr) and type(args[0]) in (list, tuple, dict):
        return _repr_of_container(machine, args[0])
    if method is MISSING and function is str and isinstance(args[0], BaseException) and id(args[0]) in machine.rec.fresh:
        if class_value(type(args[0]), "__str__") in (BaseException.__str__, KeyError.__str__) and all(is_constant(a) for a in args[0].args):
            return str(args[0])
    if method is MISSING and function is repr and isinstance(args[0], BaseException) and id(args[0]) in machine.rec.fresh:
        if class_value(type(args[0]), "__repr__") is BaseException.__repr__ and all(is_constant(a) for a in args[0].args):
            return repr(args[0])
    if method is MISSING:
        return None
    return machine.call(method, args)


def _repr_of_container(machine: Any, value: Any) -> str:
    rec = machine.rec
    if type(value) is dict:
        inside = ", ".join(
            f"{machine.call(repr, (k,))}: {rec.pin(machine.call(repr, (v,)))}" for k, v in containers.dict_items(machine, value).items()
        )
        return "{" + inside + "}"
    parts = [rec.pin(machine.call(repr, (v,))) for v in containers.iterate(machine, value)]
    if type(value) is list:
        return "[" + ", ".join(parts) + "]"
    return "(" + ", ".join(parts) + (",)" if len(parts) == 1 else ")")


# ---- builtins that need more ------------------------------------------------------------------------------------------


@special(len)
def _len(machine: Any, value: Any) -> Any:
    rec = machine.rec
    kind = type(value)
    if is_tensor(value):
        if value.ndim == 0:
            raise NotReplayable("it takes the length of a tensor without dimensions")
        return attributes.get_attribute(machine, value, "shape")[0]
    if kind in (str, bytes, range, frozenset):
        return len(value)
    if kind is types.MappingProxyType:
        return _len(machine, library.viewed(rec, value))
    if isinstance(value, dict) and id(value) in rec.owners:
        return len(containers.whole_dict(machine, value))
    if kind in (list, tuple, dict, set, collections.deque) or (isinstance(value, (list, tuple, dict, set)) and id(value) in rec.fresh):
        return _length(machine, value)
    if isinstance(value, dict) and containers.is_dict(machine, value, "__len__"):
        return _length(machine, value)
    if isinstance(value, tuple) and id(value) in rec.registers:
        rec.once("length", rec.operand(value), rec.constant(len(value)), path=f"len({rec.name_of(value)})")
        return len(value)
    if library.is_view(value):
        return _len(machine, library.viewed(rec, value))
    method = operations.method_of(machine, value, "__len__")
    if method is MISSING:
        raise NotReplayable(f"it takes the length of a {kind.__name__}")
    return containers.length_by(machine, method, value)


def _length(machine: Any, value: Any) -> Any:
    """Of a container: a number that is checked, or read anew if it has been seen to change, as where a log is counted."""
    rec = machine.rec
    path = f"len({rec.name_of(value)})"
    register = rec.registers.get(id(value))
    if path not in rec.memory.varying or register is None or id(value) in rec.whole or id(value) in rec.fresh:
        return containers.length_of(machine, value)
    if not rec.grows_only(value):
        return containers.length_of(machine, value)
    key = ("length read", register)
    if key not in rec.memo:
        rec.inputs.add(path)
        rec.memo[key] = Symbol(len(value), rec.emit("call", rec.constant(len), register, result=True))
    grown = len(rec.content(value)) - len(value)
    return operations.binary(machine, 0, rec.memo[key], grown) if grown else rec.memo[key]


@special(isinstance)
def _isinstance(machine: Any, value: Any, classes: Any) -> bool:
    rec = machine.rec
    kind = type(value.value) if type(value) is Symbol else type(value)
    if type(value) is Symbol and type(value.value) is not bool:
        rec.once("type", value.register, rec.constant(kind), path="the type of a number")
    if containers.is_iterator(value):
        if isinstance(classes, type) and issubclass(classes, (Tensor, list, tuple, dict, set, str)):
            return False
        raise NotReplayable("it asks for the class of an iterator")
    for cls in classes if isinstance(classes, tuple) else (classes,):
        if isinstance(cls, tuple):
            if _isinstance(machine, value, cls):
                return True
            continue
        if isinstance(cls, types.UnionType):
            if _isinstance(machine, value, cls.__args__):
                return True
            continue
        if not isinstance(cls, type):
            raise NotReplayable("it asks for a class that is none")
        meta = type(cls)
        if kind is cls:
            return True
        if meta is not type and class_value(meta, "__instancecheck__") is not class_value(type, "__instancecheck__"):
            asked = attributes.check_class(rec, meta, "__instancecheck__")
            if type(asked) is types.FunctionType and meta.__module__ not in ("abc", "typing"):
                if machine.truth(machine.call(asked, (cls, value))):
                    return True
                continue
            if is_constant(value) or kind in (list, dict, set, tuple) or is_tensor(value):
                if meta.__module__ in ("abc", "typing"):
                    if isinstance(value.value if type(value) is Symbol else value, cls):
                        return _abc_check(machine, kind, cls, True)
                    _abc_check(machine, kind, cls, False)
                    continue
            elif meta.__module__ == "abc":
                if isinstance(value, cls):
                    return _abc_check(machine, kind, cls, True)
                _abc_check(machine, kind, cls, False)
                continue
            raise NotReplayable(f"{cls.__name__} decides itself what is an instance of it")
        attributes.check_bases(rec, kind)
        if issubclass(kind, cls):
            return True
        claimed = kind if type(value) is Symbol else attributes.class_of(machine, value)  # asked where the type alone says no
        attributes.check_bases(rec, claimed)
        if issubclass(claimed, cls):
            return True
    return False


def _abc_check(machine: Any, kind: type, cls: Any, expected: bool) -> bool:
    """Abstract classes take in others at run time (register), so the question is asked at every replay; classes of the library do not."""
    rec = machine.rec
    if "__subclasshook__" in vars(cls) and not hasattr(class_value(cls, "__subclasshook__"), "__func__"):
        raise NotReplayable(f"{cls.__name__} decides itself what is an instance of it")
    hook = class_value(cls, "__subclasshook__")
    if hook is not object.__dict__["__subclasshook__"] and cls.__module__ not in ("collections.abc", "numbers", "typing", "os", "io"):
        raise NotReplayable(f"{cls.__name__} decides itself what is an instance of it")
    if any(
        type(base).__module__ != "builtins"
        and base.__module__ not in ("collections.abc", "numbers")
        and "__subclasscheck__" in vars(type(base))
        and type(base).__module__ != "abc"
        for base in cls.__mro__
    ):
        raise NotReplayable(f"{cls.__name__} decides itself what is an instance of it")
    made = rec.emit("call", rec.constant(issubclass), rec.constant(kind), rec.constant(cls), result=True)
    rec.emit("same", made, rec.constant(expected), path=f"issubclass({kind.__name__}, {cls.__name__})")
    return expected


@special(issubclass)
def _issubclass(machine: Any, kind: Any, classes: Any) -> bool:
    for cls in classes if isinstance(classes, tuple) else (classes,):
        if type(cls) is not type or not isinstance(kind, type):
            raise NotReplayable("it asks for subclasses of an abstract class")
        attributes.check_bases(machine.rec, kind)
        if issubclass(kind, cls):
            return True
    return False


@special(type)
def _type(machine: Any, value: Any, *rest: Any) -> Any:
    if rest or containers.is_iterator(value) or type(value) in (Bound, SuperObject):
        raise NotReplayable("it makes a class" if rest else "it asks for the class of an iterator")
    if type(value) is Symbol:
        machine.rec.once("type", value.register, machine.rec.constant(type(value.value)), path="the type of a number")
        return type(value.value)
    return type(value)


@special(super)
def _super(machine: Any, *args: Any) -> Any:
    if len(args) == 2:
        return SuperObject(*args)
    frame = machine.frames[-1]
    if args or "__class__" not in frame.program.locals:
        raise NotReplayable("super() outside of a method")
    start = machine.cell_value(frame, frame.program.locals.index("__class__"))
    receiver = frame.locals[0]
    if type(receiver) is types.CellType:
        receiver = machine.cell_value(frame, 0)
    return SuperObject(start, receiver)


@special(getattr)
def _getattr(machine: Any, obj: Any, name: Any, *default: Any) -> Any:
    try:
        value = attributes.get_attribute(machine, obj, machine.rec.pin(name))
    except Raised as raised:
        if default and isinstance(raised.error, AttributeError):
            return default[0]
        raise
    return value


@special(hasattr)
def _hasattr(machine: Any, obj: Any, name: Any) -> bool:
    if type(obj) in (dict, list, tuple, set, str):
        return hasattr(obj, machine.rec.pin(name))
    if containers.is_iterator(obj):
        return machine.rec.pin(name) in ("__iter__", "__next__")
    try:
        attributes.get_attribute(machine, obj, machine.rec.pin(name))
    except Raised as raised:
        if isinstance(raised.error, AttributeError):
            return False
        raise
    return True


@special(setattr)
def _setattr(machine: Any, obj: Any, name: Any, value: Any) -> None:
    assignments.set_attribute(machine, obj, machine.rec.pin(name), value)


@special(delattr)
def _delattr(machine: Any, obj: Any, name: Any) -> None:
    assignments.delete_attribute(machine, obj, machine.rec.pin(name))


@special(iter)
def _iter(machine: Any, value: Any, *sentinel: Any) -> Any:
    return machine.call(polyfills.iter_until, (value, *sentinel)) if sentinel else containers.iterator(machine, value)


@special(reversed)
def _reversed(machine: Any, value: Any) -> Any:
    if isinstance(value, collections.deque):
        return machine.rec.make(containers.ListedIterator(collected.iterate_deque(machine, value, backwards=True)))
    if isinstance(value, dict) or library.is_view(value):
        items = list(containers.iterate(machine, value))
        return machine.rec.make(containers.ListedIterator(containers.while_unchanged(machine, value, items[::-1])))
    method = operations.method_of(machine, value, "__reversed__")
    return machine.call(polyfills.reversed_, (value,)) if method is MISSING else machine.call(method, (value,))


@special(next)
def _next(machine: Any, source: Any, *default: Any) -> Any:
    value = containers.advance(machine, source)
    if value is not MISSING:
        return value
    if default:
        return default[0]
    raise Raised(StopIteration())


@special(id)
def _id(machine: Any, value: Any) -> Any:
    """Of an object that was there before: the same object at every replay, or the recording does not fit."""
    rec = machine.rec
    register = rec.registers.get(id(value))
    if register is None or id(value) in rec.fresh:
        raise NotReplayable("it takes the id of an object that may be another one at each call")
    made = rec.emit("call", rec.constant(id), register, result=True)
    rec.emit("value", made, rec.constant(id(value)), path=f"id({rec.name_of(value)})")
    return id(value)


@special(sys.exc_info)
def _exc_info(machine: Any) -> tuple:
    """Of the exception that an interpreted except clause handles; that of whoever has called the function is checked to be none."""
    for frame in reversed(machine.frames):
        if frame.handled and frame.handled[-1] is not None:
            error = frame.handled[-1]
            return type(error), error, None
    rec = machine.rec
    made = rec.emit("call", rec.constant(sys.exc_info), result=True)
    rec.emit("value", made, rec.constant((None, None, None)), path="sys.exc_info()")
    if sys.exc_info() != (None, None, None):
        raise NotReplayable("it asks for an exception that its caller handles")
    return None, None, None


@special(sys.exception)
def _exception(machine: Any) -> Any:
    return _exc_info(machine)[1]


@special(object)
def _object(machine: Any) -> Any:
    return machine.rec.make(object())


@special(object.__new__)
def _object_new(machine: Any, cls: type, *args: Any, **kwargs: Any) -> Any:
    if cls.__flags__ & IS_ABSTRACT or ((args or kwargs) and class_value(cls, "__init__") is object.__init__):
        raise NotReplayable(f"it makes an instance of {cls.__name__}")
    return machine.rec.make(object.__new__(cls))


@special(tuple.__new__)
def _tuple_new(machine: Any, cls: type, items: Any = ()) -> Any:
    values = tuple(containers.iterate(machine, items))
    if cls is tuple:
        return values
    return machine.rec.make(tuple.__new__(cls, values))


@special(functools.partial)
def _partial(machine: Any, function: Any, *args: Any, **kwargs: Any) -> Any:
    return machine.rec.make(functools.partial(function, *args, **kwargs)) if callable(function) else None


@special(int.__new__, float.__new__)
def _number_new(machine: Any, cls: type, *args: Any) -> Any:
    rec = machine.rec
    plain = int if issubclass(cls, int) else float
    number = machine.call(plain, args)
    if cls is plain:
        return number
    made = rec.make(containers.pure_result(lambda: plain.__new__(cls, containers.rec_value(number))))
    rec.memo["plain number", id(made)] = number
    return made


for _kind, _make in {**collected.MADE, **{kind: library.make_getter(kind) for kind in library.GETTERS}}.items():
    SPECIAL[_kind] = _make


@special(weakref.ref)
def _weak_reference(machine: Any, target: Any, *rest: Any) -> Any:
    if rest or type(target) is not type:
        raise NotReplayable("it makes a weak reference")
    return weakref.ref(target)  # the one that there is


@special(vars)
def _vars(machine: Any, obj: Any) -> Any:
    if isinstance(obj, (type, types.ModuleType)):
        raise NotReplayable("it takes all that a class or a module holds")
    return attributes.get_attribute(machine, obj, "__dict__")


@special(types.MethodType)
def _method_type(machine: Any, function: Any, receiver: Any) -> Any:
    return machine.rec.make(types.MethodType(function, receiver))


@special(itertools.chain)
def _chain(machine: Any, *iterables: Any) -> Any:
    return machine.rec.make(containers.ListedIterator(v for i in iterables for v in containers.iterate(machine, i)))


from kiln.capture import calls  # noqa: E402  which calls what is listed here

__all__ = ["call", "is_listed"]
