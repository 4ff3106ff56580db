"""Calls: whose code runs, with which arguments in which parameters."""

from __future__ import annotations

import functools
import inspect
import types
from typing import Any

from kiln import _core
from kiln.capture import attributes, callables, library
from kiln.capture.attributes import Bound
from kiln.capture.recording import Recording, class_value
from kiln.capture.values import HEAP_TYPE, IS_ABSTRACT, MISSING, NotReplayable, Raised, is_constant, is_static, is_tensor
from kiln.jit import AssumedConstant


def call_value(machine: Any, function: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
    """function(*args, **kwargs)."""
    kind = type(function)
    rec: Recording = machine.rec
    if kind is Bound:
        return call_value(machine, function.function, (function.receiver, *args), kwargs)
    if kind is types.FunctionType:
        return call_python(machine, function, args, kwargs)
    if kind is types.MethodType:
        if id(function) in rec.registers:
            register = rec.operand(function)
            name = rec.name_of(function)
            receiver = rec.load(function.__self__, "receiver", register, path=f"{name}.__self__")
            body = rec.load(function.__func__, "function", register, path=f"{name}.__func__")
            return call_value(machine, body, (receiver, *args), kwargs)
        if id(function) not in rec.fresh:
            raise NotReplayable("it is not known where a method comes from")
        return call_value(machine, function.__func__, (function.__self__, *args), kwargs)
    if type(function) is types.BuiltinFunctionType and function is _core.call_undeferred:
        raise NotReplayable(f"it calls {_name(args[0])}, which kn.disable keeps in Python")
    if isinstance(function, _core.Captured):
        return call_value(machine, function._function, args, kwargs)
    if kind is AssumedConstant:
        return _assumed(machine, function, args, kwargs)
    if kind is functools.partial:
        return _call_partial(machine, function, args, kwargs)
    if isinstance(function, type):
        return construct(machine, function, args, kwargs)
    if kind in library.CALLED:
        return library.CALLED[kind](machine, function, *args, **kwargs)
    if callables.is_listed(function):
        return callables.call(machine, function, args, kwargs)
    if is_static(function):
        raise NotReplayable(f"it calls {_name(function)}, which is not known to do nothing but compute")
    if is_constant(function) or is_tensor(function):
        raise NotReplayable(f"it calls a {kind.__name__}")
    method = attributes.check_class(rec, kind, "__call__")
    if method is MISSING:
        raise Raised(TypeError(f"'{kind.__name__}' object is not callable"))
    if type(method) is not types.FunctionType:
        raise NotReplayable(f"it calls a {kind.__name__}")
    return call_python(machine, method, (function, *args), kwargs)


def _name(function: Any) -> str:
    module = getattr(function, "__module__", None)
    name = getattr(function, "__qualname__", type(function).__name__)
    return f"{module}.{name}" if module and module != "builtins" else name


def _assumed(machine: Any, function: AssumedConstant, args: tuple, kwargs: dict[str, Any]) -> Any:
    """Calls a function that is said to give the same for the same arguments, and takes its result for a constant."""
    rec: Recording = machine.rec
    given = [(f"argument {i} of {function!r}", rec.pin_all(value)) for i, value in enumerate((*args, *kwargs.values()))]
    for path, value in given:
        if is_tensor(value):
            raise NotReplayable(f"kn.assume_constant is given a tensor, {path}")
        if not is_constant(value):
            if id(value) in rec.fresh:
                raise NotReplayable(f"kn.assume_constant is given what the call itself makes, {path}")
            rec.once("same", rec.operand(value), rec.constant(value), path=path)
    rec.once("same", rec.operand(function), rec.constant(function), path=repr(function))
    values = [value for _, value in given]
    try:
        result = function.function(*values[: len(args)], **dict(zip(kwargs, values[len(args) :], strict=True)))
    except Exception as error:
        raise Raised(error) from None
    return result if is_constant(result) else rec.know_constant(result, f"the result of {function!r}")


def _call_partial(machine: Any, function: functools.partial, args: tuple, kwargs: dict[str, Any]) -> Any:
    rec: Recording = machine.rec
    if id(function) in rec.fresh:
        body, first, named = function.func, function.args, function.keywords
    else:
        register = rec.operand(function)
        name = rec.name_of(function)
        parts = [
            rec.load(getattr(function, part), "attribute", register, rec.constant(part), path=f"{name}.{part}")
            for part in ("func", "args", "keywords")
        ]
        from kiln.capture import containers

        body, first, named = parts[0], tuple(containers.iterate(machine, parts[1])), containers.dict_items(machine, parts[2])
    return call_value(machine, body, (*first, *args), {**named, **kwargs})


def call_python(machine: Any, function: types.FunctionType, args: tuple, kwargs: dict[str, Any]) -> Any:
    rec: Recording = machine.rec
    name = function.__qualname__
    code = function.__code__
    polyfill = callables.polyfill_of(function)
    if polyfill is not None:
        return callables.run_polyfill(machine, polyfill, args, kwargs)
    fresh = id(function) in rec.fresh
    closure = function.__closure__ or ()
    if not fresh and not callables.is_ours(function):
        operand = rec.operand(function)
        rec.load(code, "code", operand, path=f"{name}.__code__")
        if closure and operand >= 0:  # another function with this code has cells of its own
            cells = rec.load(closure, "closure", operand, path=f"{name}.__closure__")
            for i, cell in enumerate(cells):
                rec.load(cell, "item", rec.operand(cells), rec.constant(i), path=f"{name}.__closure__[{i}]")
        else:
            for cell in closure:
                if id(cell) not in rec.fresh:
                    rec.know_constant(cell)
    slots = bind(machine, function, fresh, args, kwargs)
    return machine.enter(function, slots, closure)


def bind(machine: Any, function: types.FunctionType, fresh: bool, args: tuple, kwargs: dict[str, Any]) -> list[Any]:
    """The values of a function's parameters, in the order of its variables."""
    rec: Recording = machine.rec
    code = function.__code__
    positional, keyword_only = code.co_argcount, code.co_kwonlyargcount
    names = code.co_varnames
    slots: list[Any] = [MISSING] * (positional + keyword_only)
    given = min(len(args), positional)
    slots[:given] = args[:given]
    rest = args[positional:]
    extra: dict[str, Any] = {}
    for name, value in kwargs.items():
        try:
            at = names.index(name, code.co_posonlyargcount, positional + keyword_only)
        except ValueError:
            if not code.co_flags & inspect.CO_VARKEYWORDS:
                raise _does_not_fit(function) from None
            extra[name] = value
            continue
        if slots[at] is not MISSING:
            raise _does_not_fit(function)
        slots[at] = value
    if rest and not code.co_flags & inspect.CO_VARARGS:
        raise _does_not_fit(function)
    if any(value is MISSING for value in slots[:positional]):
        defaults = function.__defaults__ or ()
        if not fresh and not callables.is_ours(function):
            name = f"{function.__qualname__}.__defaults__"
            register = rec.operand(function)
            if function.__defaults__ is None or is_constant(defaults):
                rec.load(function.__defaults__, "defaults", register, path=name)
            else:
                known = rec.load(defaults, "defaults", register, path=name)
                defaults = tuple(_default(machine, known, i, name) for i in range(len(known)))
        first = positional - len(defaults)
        for i in range(positional):
            if slots[i] is MISSING:
                if i < first:
                    raise _does_not_fit(function)
                slots[i] = defaults[i - first]
    for i in range(positional, positional + keyword_only):
        if slots[i] is not MISSING:
            continue
        defaults = function.__kwdefaults__
        if defaults is None or names[i] not in defaults:
            raise _does_not_fit(function)
        value = defaults[names[i]]
        if not fresh and not callables.is_ours(function):
            name = f"{function.__qualname__}.__kwdefaults__"
            held = rec.load(defaults, "keyword_defaults", rec.operand(function), path=name)
            value = rec.load(value, "dict_item", rec.operand(held), rec.constant(names[i]), path=f"{name}[{names[i]!r}]")
        slots[i] = value
    if code.co_flags & inspect.CO_VARARGS:
        slots.append(tuple(rest))
    if code.co_flags & inspect.CO_VARKEYWORDS:
        slots.append(rec.make(extra))
    return slots


def _default(machine: Any, known: tuple, index: int, name: str) -> Any:
    rec: Recording = machine.rec
    return rec.load(known[index], "item", rec.operand(known), rec.constant(index), path=f"{name}[{index}]")


def _does_not_fit(function: types.FunctionType) -> NotReplayable:
    return NotReplayable(f"the arguments do not fit {function.__qualname__}")


def construct(machine: Any, cls: type, args: tuple, kwargs: dict[str, Any]) -> Any:
    """cls(*args, **kwargs): a call of a class."""
    rec: Recording = machine.rec
    if callables.is_listed(cls):
        return callables.call(machine, cls, args, kwargs)
    meta = type(cls)
    if meta is not type:
        caller = attributes.check_class(rec, meta, "__call__")
        if type(caller) is types.FunctionType:
            return call_python(machine, caller, (cls, *args), kwargs)
    return construct_plain(machine, cls, args, kwargs)


def construct_plain(machine: Any, cls: type, args: tuple, kwargs: dict[str, Any]) -> Any:
    """What type.__call__ does."""
    rec: Recording = machine.rec
    if cls.__flags__ & IS_ABSTRACT:
        raise NotReplayable(f"it makes an instance of {cls.__name__}, which is abstract")
    maker = attributes.check_class(rec, cls, "__new__")
    if isinstance(maker, staticmethod):
        maker = maker.__func__
    if type(maker) is types.FunctionType:
        made = call_python(machine, maker, (cls, *args), kwargs)
    else:
        made = _make_in_c(machine, cls, maker, args, kwargs)
    if not isinstance(made, cls) or id(made) not in rec.fresh:
        return made
    starter = attributes.check_class(rec, type(made), "__init__")
    if type(starter) is types.FunctionType:
        if call_python(machine, starter, (made, *args), kwargs) is not None:
            raise NotReplayable("__init__ gives a value")
    elif isinstance(made, (list, dict, set)):
        callables.initialise(machine, made, args, kwargs)
    elif starter is object.__init__ and (args or kwargs) and maker is object.__new__:
        raise NotReplayable(f"{cls.__name__} takes no arguments")
    return made


def _make_in_c(machine: Any, cls: type, maker: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
    rec: Recording = machine.rec
    if maker is object.__new__:
        return rec.make(object.__new__(cls))
    if issubclass(cls, BaseException):
        args = tuple(rec.pin_all(a) for a in args)
        made = cls.__new__(cls, *args)
        if class_value(cls, "__init__") is BaseException.__init__:
            made.args = args
        return rec.make(made)
    if maker in (list.__new__, dict.__new__, set.__new__) and cls.__flags__ & HEAP_TYPE:
        return rec.make(maker(cls))
    raise NotReplayable(f"it makes an instance of {cls.__name__}")


__all__ = ["bind", "call_python", "call_value", "construct"]
