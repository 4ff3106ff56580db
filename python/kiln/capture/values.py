"""Kinds of values that a recording tells apart."""

from __future__ import annotations

import collections
import contextvars
import functools
import operator
import threading
import types
import weakref
from typing import Any

from kiln import _core
from kiln._core import Tensor

ATOMS = frozenset({bool, int, float, complex, str, bytes, type(None), type(Ellipsis), type(NotImplemented)})
# Known by identity, and never changed in what a recording takes from them without a look at the parts that can change.
STATIC = (
    type,
    types.FunctionType,
    types.BuiltinFunctionType,
    types.ModuleType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.ClassMethodDescriptorType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
    types.CodeType,
    property,
    staticmethod,
    classmethod,
    _core.Operator,
    _core.dtype,
    operator.itemgetter,
    operator.attrgetter,
    operator.methodcaller,
    contextvars.ContextVar,
    type(functools.cache(len)),
)
DICT_VIEWS = (type({}.keys()), type({}.values()), type({}.items()))
ORDERED_VIEWS = tuple(type(getattr(collections.OrderedDict(), name)()) for name in ("keys", "values", "items"))
# Windows on something else, which they show for as long as they are there: taken by identity, and what is behind them is read.
WINDOWS = frozenset({types.MappingProxyType, threading.local, *DICT_VIEWS, *ORDERED_VIEWS})


# CPython's flags of types (Include/object.h).
HEAP_TYPE, METHOD_DESCRIPTOR, IS_ABSTRACT = 1 << 9, 1 << 17, 1 << 20
SEQUENCE, MAPPING = 1 << 5, 1 << 6  # what match statements ask


class NotReplayable(BaseException):
    """The recording ends here, for a reason that explain() shows; the call is taken back and runs in Python."""


class Again(NotReplayable):
    """It ends here, and the next call is recorded otherwise."""


def unknown(value: Any) -> NotReplayable:
    """The error for an object that no read and no operator of the recording has led to."""
    return NotReplayable(f"it is not known where a {type(value).__name__} comes from")


class Raised(BaseException):
    """An exception of the recorded program on its way through interpreted frames."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


class Symbol:
    """A number whose value is this call's, and whose register holds any call's."""

    __slots__ = ("register", "value")

    def __init__(self, value: Any, register: int) -> None:
        self.value, self.register = value, register


class Missing:
    """No value: an unbound local, a NULL on the stack."""

    def __repr__(self) -> str:
        return "<missing>"


MISSING = Missing()


def is_constant(value: Any) -> bool:
    """Does the value follow from what was checked, all of it?"""
    kind = type(value)
    if kind in ATOMS:
        return True
    if kind in (tuple, frozenset):
        return all(is_constant(v) for v in value)
    if kind is range:
        return True
    if kind is slice:
        return is_constant(value.start) and is_constant(value.stop) and is_constant(value.step)
    return is_static(value)


def is_static(value: Any) -> bool:
    if type(value) is types.BuiltinFunctionType:  # also [].append, which is bound to an object that may be anyone's
        owner = value.__self__
        return owner is None or isinstance(owner, (types.ModuleType, type)) or type(owner).__name__ == "PyCapsule"  # pybind11's
    if type(value) is weakref.ref:  # which compare as what they are to
        return type(value()) is type
    return isinstance(value, STATIC)


def is_tensor(value: Any) -> bool:
    return isinstance(value, Tensor)
