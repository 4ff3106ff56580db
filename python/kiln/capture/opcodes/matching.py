"""The operations of match statements."""

from __future__ import annotations

import builtins
from typing import Any

from kiln._core import Tensor
from kiln.capture import attributes, containers
from kiln.capture.opcodes.table import operation
from kiln.capture.values import MAPPING, SEQUENCE, NotReplayable, Raised, Symbol, is_constant


@operation()
def MATCH_SEQUENCE(m, f, arg):
    f.stack.append(isinstance(m.rec.pin(f.stack[-1]), (list, tuple)))
    _plain_subject(f.stack[-2])


@operation()
def MATCH_MAPPING(m, f, arg):
    f.stack.append(isinstance(m.rec.pin(f.stack[-1]), dict))
    _plain_subject(f.stack[-2])


def _plain_subject(subject: Any) -> None:
    if not is_constant(subject) and not isinstance(subject, (Tensor, Symbol)) and type(subject) not in (list, tuple, dict):
        flags = type(subject).__flags__ & (SEQUENCE | MAPPING)
        if flags and not isinstance(subject, (list, tuple, dict)):
            raise NotReplayable(f"it matches a {type(subject).__name__}")


@operation()
def MATCH_KEYS(m, f, arg):
    keys, subject = f.stack[-1], f.stack[-2]
    values = []
    for key in keys:
        if not containers.contains(m, subject, key):
            f.stack.append(None)
            return
        values.append(containers.get_item(m, subject, key))
    f.stack.append(tuple(values))


@operation()
def MATCH_CLASS(m, f, arg):
    names = f.stack.pop()
    kind = f.stack.pop()
    subject = f.stack.pop()
    if not m.truth(m.call(builtins.isinstance, (subject, kind))):
        f.stack.append(None)
        return
    values = []
    if arg:
        if kind in (bool, bytearray, bytes, dict, float, frozenset, int, list, set, str, tuple):
            values.append(subject)
        else:
            values += [attributes.get_attribute(m, subject, n) for n in attributes.get_attribute(m, kind, "__match_args__")[:arg]]
    for name in names:
        try:
            values.append(attributes.get_attribute(m, subject, name))
        except Raised as raised:
            if not isinstance(raised.error, AttributeError):
                raise
            f.stack.append(None)
            return
    f.stack.append(tuple(values))
