"""Reading attributes, as type slots do it, with a check for every place that was looked at. (Writing them: assignments.py.)"""

from __future__ import annotations

import collections
import contextvars
import functools
import threading
import types
from typing import Any

from kiln import _core
from kiln._core import Tensor
from kiln.capture import functions, library
from kiln.capture.frames import InterpretedGenerator
from kiln.capture.recording import Recording, class_value, instance_value
from kiln.capture.values import ATOMS, HEAP_TYPE, METHOD_DESCRIPTOR, MISSING, NotReplayable, Raised, is_static, is_tensor, unknown

# Attributes of a tensor that follow from its type and place on the tape, and what they give.
TENSOR_FACTS = {"dtype", "ndim", "itemsize", "nbytes", "device", "requires_grad", "is_leaf", "grad_fn", "strides"}
# C descriptors of objects that are known by identity, which give what cannot change.
FIXED = {"__name__", "__qualname__", "__module__", "__doc__", "__self__", "__func__", "__mro__", "__bases__", "__members__", "fget", "fset"}
ERROR_FACTS = {"args"}
# What types of C have as __getattribute__, under names of their own: the look into the class, the instance and the class again.
_GENERIC_READS = {
    t.__getattribute__
    for t in (
        *(object, int, float, complex, str, bytes, tuple, list, dict, set, frozenset, BaseException),
        *(functools.partial, collections.deque, collections.OrderedDict, collections.defaultdict),
    )
}
_TUPLE_GETTER = type(collections.namedtuple("Pair", "first second").first)


class Bound:
    """A method found on an object and not yet called: what LOAD_METHOD leaves on the stack."""

    __slots__ = ("function", "receiver")

    def __init__(self, function: Any, receiver: Any) -> None:
        self.function, self.receiver = function, receiver


class SuperObject:
    """super() inside of a method."""

    __slots__ = ("receiver", "start")

    def __init__(self, start: type, receiver: Any) -> None:
        self.start, self.receiver = start, receiver


def get_attribute(machine: Any, obj: Any, name: str, method: bool = False) -> Any:
    """obj.name. `method`: a Bound may be given where a method was found."""
    rec: Recording = machine.rec
    obj = rec.pin(obj)
    kind = type(obj)
    if kind is SuperObject:
        return _of_super(machine, obj, name, method)
    if isinstance(obj, Tensor):
        return _of_tensor(machine, obj, name, method)
    if kind is types.ModuleType:
        return _of_module(rec, obj, name)
    if kind is threading.local:
        return library.get_of_local(machine, obj, name)
    if kind is InterpretedGenerator:
        return _method_of_c(types.GeneratorType, obj, name)
    if isinstance(obj, type):
        return _of_class(machine, obj, name, method)
    if name == "__class__":
        return class_of(machine, obj)
    if kind is types.MappingProxyType or library.is_view(obj):
        return _method_of_c(kind, obj, name)
    if kind in ATOMS or kind in (list, dict, set, tuple, frozenset, range, slice):
        return _of_builtin(machine, obj, name)
    return _of_instance(machine, obj, name, method)


def class_of(machine: Any, obj: Any) -> type:
    """obj.__class__, which is its type unless its class says something else."""
    if not type(obj).__flags__ & HEAP_TYPE:
        return type(obj)
    found = check_class(machine.rec, type(obj), "__class__")
    if found is class_value(object, "__class__"):
        return type(obj)
    claimed = machine.call(found.fget, (obj,)) if type(found) is property and found.fget is not None else None
    if not isinstance(claimed, type):
        raise NotReplayable(f"{type(obj).__name__} says itself what its __class__ is")
    return claimed


def _of_module(rec: Recording, module: Any, name: str) -> Any:
    namespace = module.__dict__
    if rec.written.get((id(namespace), name), MISSING) is not MISSING:
        return rec.written[id(namespace), name]
    if name not in namespace or (id(namespace), name) in rec.written:
        raise NotReplayable(f"module {module.__name__} has no '{name}'")
    return rec.load(namespace[name], "dict_item", rec.constant(namespace), rec.constant(name), path=f"{module.__name__}.{name}")


def check_class(rec: Recording, kind: type, name: str) -> Any:
    """What a class has under a name, checked to be still there."""
    found = class_value(kind, name)
    place = f"{kind.__name__}.{name}"
    if name in rec.assigned_in_classes and any((id(base), name) in rec.written for base in kind.__mro__):
        raise NotReplayable(f"it looks for {place}, which it has assigned itself")
    if found is not MISSING or place not in rec.seen:  # what the instance has under the name counts more
        rec.seen[place] = found
    operands = rec.constant(kind), rec.constant(name)
    if found is MISSING:
        rec.once("no_class_attribute", *operands, path=place)
    elif ("class_attribute", operands) not in rec.memo:
        rec.memo["class_attribute", operands] = found
        rec.emit("class_attribute", *operands, rec.constant(found), extra=1, path=place)
    return found


def _of_class(machine: Any, cls: type, name: str, method: bool) -> Any:
    rec: Recording = machine.rec
    if name in ("__name__", "__qualname__", "__module__", "__mro__"):
        return _of_type(rec, cls, name)
    if name == "__class__":
        return type(cls)
    if name == "__doc__" and cls.__flags__ & HEAP_TYPE and type(cls.__dict__.get(name)) in (str, type(None)):
        own = cls.__dict__[name]
        rec.once("own_class_attribute", rec.constant(cls), rec.constant(name), rec.constant(own), path=f"{cls.__name__}.{name}")
        return own
    if name in ("__dict__", "__bases__", "__doc__", "__annotations__", "__subclasses__"):
        raise NotReplayable(f"it reads {cls.__name__}.{name}")
    assigned = assigned_in(rec, cls, name)
    if assigned is not MISSING:
        return assigned
    meta = type(cls)
    of_meta = MISSING
    if meta is not type:
        of_meta = check_class(rec, meta, name)
        if type(of_meta) is property and of_meta.fget is not None:
            return machine.call(of_meta.fget, (cls,))
        if of_meta is not MISSING and hasattr(type(of_meta), "__set__"):
            raise NotReplayable(f"{name} is an attribute of the metaclass of {cls.__name__}")
    found = class_value(cls, name)
    if is_plain_value(found):
        return state_of_class(rec, cls, name, found)
    check_class(rec, cls, name)
    if found is MISSING:
        if of_meta is not MISSING and type(of_meta) is types.FunctionType:
            return Bound(of_meta, cls) if method else rec.make(types.MethodType(of_meta, cls))
        if of_meta is not MISSING and entry_of_class(rec, of_meta, "__get__") is MISSING:
            return state_of_class(rec, meta, name, of_meta)
        if hasattr(cls, name):  # of type itself: mro, ...
            raise NotReplayable(f"it reads {cls.__name__}.{name}")
        raise Raised(error_of(cls, name))
    kind = type(found)
    if kind is types.FunctionType:
        return found
    if kind is staticmethod:
        return found.__func__
    if kind is classmethod:
        return Bound(found.__func__, cls) if method else rec.make(types.MethodType(found.__func__, cls))
    if kind in (types.MethodDescriptorType, types.WrapperDescriptorType, types.MemberDescriptorType, types.GetSetDescriptorType, property):
        return found
    if kind is types.ClassMethodDescriptorType or kind is types.BuiltinFunctionType:
        return getattr(cls, name)
    if entry_of_class(rec, found, "__get__") is not MISSING:
        return machine.call(class_value(kind, "__get__"), (found, None, cls))
    return state_of_class(rec, cls, name, found)


def _of_type(rec: Recording, cls: type, name: str) -> Any:
    """What a class is called and where it comes from; its bases."""
    meta = type(cls)
    if meta is not type and (class_value(meta, name) is not class_value(type, name) or meta.__getattribute__ is not type.__getattribute__):
        raise NotReplayable(f"{meta.__name__} decides itself what {name} is")
    value = getattr(cls, name)
    if name == "__mro__":
        check_bases(rec, cls)
    elif cls.__flags__ & HEAP_TYPE:
        if type(value) is not str:
            raise NotReplayable(f"it reads {cls.__name__}.{name}")
        rec.load(value, "get_attribute", rec.constant(cls), rec.constant(name), path=f"{cls.__name__}.{name}")
    return value


def is_plain_value(value: Any) -> bool:
    """No descriptor, by its type alone: a class's attribute that is read, with its checks, like an instance's."""
    return type(value) in ATOMS or type(value) in (list, dict, set, tuple) or is_tensor(value)


def assigned_in(rec: Recording, cls: type, name: str) -> Any:
    """What the call itself has made of a class's attribute, plain and no descriptor; MISSING if it has left it alone."""
    if name not in rec.assigned_in_classes:
        return MISSING
    for base in cls.__mro__:
        if (id(base), name) in rec.written:
            value = rec.written[id(base), name]
            if value is MISSING or hasattr(type(value), "__get__"):
                raise NotReplayable(f"it reads {cls.__name__}.{name}, which it has assigned or deleted itself")
            if base is not cls:
                check_bases(rec, cls)
            for hidden in cls.__mro__[: cls.__mro__.index(base)]:  # would be found before it, had it one
                _check_no_own(rec, hidden, name)
            return value
        if name in base.__dict__:  # and not in what the call has assigned, which it hides
            if base.__flags__ & HEAP_TYPE:
                operands = rec.constant(base), rec.constant(name), rec.constant(base.__dict__[name])
                rec.once("own_class_attribute", *operands, path=f"{base.__name__}.{name}")
            break
    return MISSING


def _check_no_own(rec: Recording, base: type, name: str) -> None:
    if base.__flags__ & HEAP_TYPE:
        rec.once("no_own_class_attribute", rec.constant(base), rec.constant(name), path=f"{base.__name__}.{name}")


def state_of_class(rec: Recording, cls: type, name: str, found: Any) -> Any:
    """A class's attribute that is no descriptor. Unless its type says so, which object it is was checked; what it holds is read there."""
    if is_plain_value(found):
        return rec.load(found, "class_attribute", rec.constant(cls), rec.constant(name), path=f"{cls.__name__}.{name}")
    if type(found) not in ATOMS and not is_static(found):
        rec.know_constant(found, f"{cls.__name__}.{name}")
    return found


def entry_of_class(rec: Recording, value: Any, name: str) -> Any:
    """What a value's own class has under a name: only classes written in Python can change, and are checked."""
    kind = type(value)
    if kind.__flags__ & HEAP_TYPE:
        return check_class(rec, kind, name)
    return class_value(kind, name)


def _of_super(machine: Any, obj: SuperObject, name: str, method: bool) -> Any:
    rec: Recording = machine.rec
    receiver = obj.receiver
    is_class = isinstance(receiver, type) and obj.start in receiver.__mro__
    mro = (receiver if is_class else type(receiver)).__mro__
    for base in mro[mro.index(obj.start) + 1 :]:
        if name not in base.__dict__:
            _check_no_own(rec, base, name)
            continue
        found = base.__dict__[name]
        check_bases(rec, receiver if is_class else type(receiver))
        if base.__flags__ & HEAP_TYPE:
            rec.once("own_class_attribute", rec.constant(base), rec.constant(name), rec.constant(found), path=f"{base.__name__}.{name}")
        kind = type(found)
        if kind is types.FunctionType or kind in (types.WrapperDescriptorType, types.MethodDescriptorType):
            if is_class and kind is types.FunctionType:
                return found
            return Bound(found, receiver)
        if kind is classmethod:
            return Bound(found.__func__, receiver if is_class else type(receiver))
        if kind is staticmethod:
            return found.__func__
        if kind is types.BuiltinFunctionType:  # object.__new__
            return found
        if kind is property:
            return machine.call(found.fget, (receiver,))
        if kind in ATOMS and (id(base), name) not in rec.written:
            return found
        raise NotReplayable(f"super().{name} is a {kind.__name__}")
    raise Raised(AttributeError(f"'super' object has no attribute '{name}'"))


def check_bases(rec: Recording, kind: type) -> None:
    """Neither the class nor one that it inherits from has other bases than before."""
    for base in kind.__mro__:
        if base.__flags__ & HEAP_TYPE:
            rec.once("class_bases", rec.constant(base), rec.constant(base.__bases__), path=f"{base.__name__}.__bases__")


def _of_builtin(machine: Any, obj: Any, name: str) -> Any:
    """Attributes of numbers, strings and containers: methods of C."""
    found = class_value(type(obj), name)
    if found is MISSING:
        raise Raised(error_of(obj, name))
    if type(obj) in ATOMS and isinstance(found, (types.GetSetDescriptorType, types.MemberDescriptorType)):
        return getattr(obj, name)
    if (type(obj) is dict and name == "fromkeys") or type(found) in (types.ClassMethodDescriptorType, staticmethod):
        return getattr(type(obj), name)
    return _method_of_c(type(obj), obj, name)


def _method_of_c(kind: type, obj: Any, name: str) -> Bound:
    found = class_value(kind, name)
    if not isinstance(found, (types.MethodDescriptorType, types.WrapperDescriptorType)):
        raise NotReplayable(f"it reads .{name} of a {kind.__name__}")
    return Bound(found, obj)


def _of_tensor(machine: Any, x: Any, name: str, method: bool) -> Any:
    rec: Recording = machine.rec
    kind = type(x)
    found = class_value(kind, name)
    if found is MISSING or (kind is not Tensor and class_value(Tensor, name) is MISSING):
        return _of_instance(machine, x, name, method)
    found_kind = type(found)
    if found_kind is types.FunctionType or name in _OPERATOR_METHODS or found_kind is types.MethodDescriptorType:
        check_class(rec, kind, name)
        return Bound(found, x)
    if found_kind is types.WrapperDescriptorType:
        return Bound(found, x)
    if found_kind is property:
        check_class(rec, kind, name)
        return machine.call(found.fget, (x,))
    register = rec.operand(x)
    key = ("fact", register, name)
    place = f"{rec.name_of(x, 'a tensor')}.{name}"
    if name == "shape":
        if key not in rec.memo:
            shape = rec.emit("get_attribute", register, rec.constant(name), result=True)
            rec.emit("length", shape, rec.constant(x.ndim), path=f"{place}, its length")
            rec.memo[key] = tuple(
                rec.load(n, "item", shape, rec.constant(i), path=f"{place}[{i}] at {register}") for i, n in enumerate(x.shape)
            )
        return rec.memo[key]
    if name in TENSOR_FACTS or name == "grad" or name == "_version":
        value = getattr(x, name)
        made = rec.emit("get_attribute", register, rec.constant(name), result=True)
        if name == "grad" and value is not None:
            rec.emit("type", made, rec.constant(type(value)), path=place)
            if id(value) not in rec.registers:  # a gradient of before the call, or one that backward made
                rec.know(value, made, place)
            else:
                rec.emit("same", made, rec.registers[id(value)], path=place)
            return value
        if name in ("ndim", "requires_grad", "is_leaf", "itemsize"):
            rec.emit("value", made, rec.constant(value), path=place)
            return value
        return rec.result(value, made, place)
    raise NotReplayable(f"it reads .{name} of a tensor")


def _operator_methods() -> frozenset[str]:
    from kiln import _core

    return frozenset(name for name in dir(Tensor) if isinstance(class_value(Tensor, name), _core.Operator))


_OPERATOR_METHODS = _operator_methods()


def _of_instance(machine: Any, obj: Any, name: str, method: bool) -> Any:
    rec: Recording = machine.rec
    kind = type(obj)
    fresh = id(obj) in rec.fresh
    if not fresh and id(obj) not in rec.registers and not is_static(obj):
        if isinstance(obj, types.MethodType) and name in ("__self__", "__func__"):
            return getattr(obj, name)
        raise unknown(obj)
    getter = check_class(rec, kind, "__getattribute__")
    if type(getter) is types.FunctionType:
        return _by_getattribute(machine, getter, obj, name)
    if is_static(obj) or isinstance(obj, types.MethodType):
        return _of_static(machine, obj, name)
    if getter not in _GENERIC_READS and not is_tensor(obj):
        raise NotReplayable(f"it reads .{name} of a {kind.__name__}")
    return generic_get(machine, obj, name, method)


def _by_getattribute(machine: Any, getter: Any, obj: Any, name: str) -> Any:
    """The class decides every read itself; its __getattr__ is asked where that gives an AttributeError."""
    try:
        return machine.call(getter, (obj, name))
    except Raised as raised:
        fallback = check_class(machine.rec, type(obj), "__getattr__")
        if not isinstance(raised.error, AttributeError) or fallback is MISSING:
            raise
        return machine.call(fallback, (obj, name))


def generic_get(machine: Any, obj: Any, name: str, method: bool = False) -> Any:
    """What object.__getattribute__ does, and __getattr__ behind it."""
    rec: Recording = machine.rec
    kind = type(obj)
    fresh = id(obj) in rec.fresh
    if name == "__dict__":
        return dict_of(rec, obj)
    found = class_value(kind, name)
    found_kind = type(found)
    place = f"{rec.name_of(obj, kind.__name__)}.{name}"
    if (id(obj), name) in rec.written and rec.written[id(obj), name] is not MISSING:
        check_class(rec, kind, name)
        return rec.written[id(obj), name]
    removed = rec.written.get((id(obj), name)) is MISSING
    assigned = assigned_in(rec, kind, name)
    if assigned is not MISSING:
        if removed or instance_value(obj, name) is MISSING:
            if not fresh and not removed:
                _not_in_instance(rec, obj, name, place)
            return assigned
        own = instance_value(obj, name)
        return own if fresh else rec.load(own, "attribute", rec.operand(obj), rec.constant(name), path=place)
    if found is not MISSING and found_kind is types.FunctionType and not removed and not fresh and instance_value(obj, name) is MISSING:
        rec.once("method", rec.operand(obj), rec.constant(name), rec.constant(found), path=place)
        return Bound(found, obj) if method else rec.make(types.MethodType(found, obj))
    is_plain = is_plain_value(found) and (removed or fresh or instance_value(obj, name) is MISSING)
    if found is not MISSING and not is_plain:
        check_class(rec, kind, name)
        if found_kind is property:
            if found.fget is None:
                raise NotReplayable(f"{place} cannot be read")
            return machine.call(found.fget, (obj,))
        if found_kind is _TUPLE_GETTER:  # a field of a named tuple
            return machine.item(obj, found.__reduce__()[1][0])
        if found_kind is types.MemberDescriptorType:
            try:
                value = found.__get__(obj, kind)
            except AttributeError as error:
                if not fresh:
                    rec.once("no_attribute", rec.operand(obj), rec.constant(name), path=place)
                raise Raised(error) from None
            return value if fresh else rec.load(value, "attribute", rec.operand(obj), rec.constant(name), path=place)
        if found_kind is types.GetSetDescriptorType:
            if isinstance(obj, BaseException) and fresh and name in ERROR_FACTS:
                return getattr(obj, name)
            raise NotReplayable(f"it reads {place}")
        if entry_of_class(rec, found, "__get__") is not MISSING and (
            entry_of_class(rec, found, "__set__") is not MISSING or entry_of_class(rec, found, "__delete__") is not MISSING
        ):
            getter = class_value(found_kind, "__get__")
            if type(getter) is not types.FunctionType:
                raise NotReplayable(f"{place} is a {found_kind.__name__}")
            return machine.call(getter, (state_of_class(rec, kind, name, found), obj, kind))
    value = MISSING if removed else instance_value(obj, name)
    if value is not MISSING:
        if found is MISSING:
            check_class(rec, kind, name)
        return value if fresh else rec.load(value, "attribute", rec.operand(obj), rec.constant(name), path=place)
    if found is not MISSING:
        if not fresh and not removed:
            _not_in_instance(rec, obj, name, place)
        return _from_class(machine, obj, kind, name, found, method)
    fallback = check_class(rec, kind, "__getattr__")
    if fresh or removed:
        check_class(rec, kind, name)
    else:  # this looks into the class too
        rec.once("no_attribute", rec.operand(obj), rec.constant(name), path=place)
    if fallback is not MISSING:
        return machine.call(fallback, (obj, name))
    raise Raised(error_of(obj, name))


def _not_in_instance(rec: Recording, obj: Any, name: str, place: str) -> None:
    if type(obj).__dictoffset__ != 0:
        rec.once("no_own_attribute", rec.operand(obj), rec.constant(name), path=place)


def _from_class(machine: Any, obj: Any, kind: type, name: str, found: Any, method: bool) -> Any:
    rec: Recording = machine.rec
    found_kind = type(found)
    if found_kind is types.FunctionType:
        return Bound(found, obj) if method else rec.make(types.MethodType(found, obj))
    if found_kind is staticmethod:
        return found.__func__
    if found_kind is classmethod:
        return Bound(found.__func__, kind) if method else rec.make(types.MethodType(found.__func__, kind))
    if found_kind in (types.MethodDescriptorType, types.WrapperDescriptorType):
        return Bound(found, obj)
    if found_kind is types.ClassMethodDescriptorType:
        return getattr(kind, name)
    getter = entry_of_class(rec, found, "__get__")
    if getter is not MISSING:
        if type(getter) is not types.FunctionType:
            if callable(found) and found_kind.__flags__ & METHOD_DESCRIPTOR:  # a method descriptor, as operators are
                return Bound(found, obj)
            raise NotReplayable(f"{kind.__name__}.{name} is a {found_kind.__name__}")
        return machine.call(getter, (state_of_class(rec, kind, name, found), obj, kind))
    return state_of_class(rec, kind, name, found)


def dict_of(rec: Recording, obj: Any) -> dict:
    namespace = getattr(obj, "__dict__", None)
    if type(namespace) is not dict:
        raise NotReplayable(f"it reads the __dict__ of a {type(obj).__name__}")
    if id(obj) in rec.fresh:
        rec.owners[id(namespace)] = obj
        rec.fresh.add(id(namespace))
        rec.alive.append(namespace)
        return namespace
    if id(namespace) not in rec.owners:
        register = rec.emit("get_attribute", rec.operand(obj), rec.constant("__dict__"), result=True)
        if id(namespace) in rec.registers:
            raise NotReplayable(f"it reads the __dict__ of a {type(obj).__name__} on two ways")
        rec.know(namespace, register, f"{rec.name_of(obj)}.__dict__")
        rec.owners[id(namespace)] = obj
    return namespace


def _of_static(machine: Any, obj: Any, name: str) -> Any:
    """Functions, operators, dtypes and other objects of C that are known by identity."""
    kind = type(obj)
    if kind is types.FunctionType:
        value = functions.get_attribute(machine, obj, name)
        return _method_of_c(kind, obj, name) if value is MISSING else value
    if kind in (*library.CALLED, contextvars.ContextVar):
        return _method_of_c(kind, obj, name)
    if kind is types.MethodType and name in ("__self__", "__func__"):
        return getattr(obj, name)
    if name in FIXED or isinstance(obj, (_core.dtype, _core.Operator)) or kind.__module__ == "kiln":
        value = getattr(obj, name)
        if type(value) in ATOMS or is_static(value):
            return value
    raise NotReplayable(f"it reads .{name} of a {kind.__name__}")


def error_of(obj: Any, name: str) -> AttributeError:
    """The error that Python itself gives for an attribute that is not there."""
    try:
        (type.__getattribute__ if isinstance(obj, type) else object.__getattribute__)(obj, name)
    except AttributeError as error:
        return error.with_traceback(None)
    raise NotReplayable(f"it reads .{name} of a {type(obj).__name__}")
