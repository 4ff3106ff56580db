"""Numbers that follow from shapes, while a function is recorded for symbolic shapes.

Inside such a recording x.shape holds ShapeInts. They are ints; what they are compared with is noted, since another extent might come out
differently, and arithmetic gives ShapeInts again. Values may go into operators freely: several recordings with other extents show which
of an operator's numbers follow from the shapes, and how.
"""

from __future__ import annotations

import contextlib
import operator
import struct
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from kiln import _core

_OWN_FOLDER = str(Path(__file__).parent.parent)
_NEGATED = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_COMPARE = {"==": operator.eq, "!=": operator.ne, "<": operator.lt, ">=": operator.ge, ">": operator.gt, "<=": operator.le}


class _Scope(threading.local):
    """What this thread records."""

    # (comparison that held, or "" for an escape; left; right; what escaped; where)
    events: list[tuple[str, int, int, str, str]] | None = None
    vary = False


_scope = _Scope()


@contextlib.contextmanager
def followed(vary: bool) -> Iterator[list[tuple[str, int, int, str, str]]]:
    """A scope in which extents are followed; gives the list of what happens to them. `vary`: other recordings have other ones."""
    before = _scope.events, _scope.vary
    _scope.events, _scope.vary = [], vary
    _core.set_extent_type(ShapeInt)
    try:
        yield _scope.events
    finally:
        _core.set_extent_type(None)
        _scope.events, _scope.vary = before


def extents_vary() -> bool:
    """Is this a recording of several, with other extents in each?"""
    return _scope.vary


def _where() -> str:
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_OWN_FOLDER):
        frame = frame.f_back
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"


def _note_comparison(symbol: str, left: int, right: int) -> bool:
    held = _COMPARE[symbol](left, right)
    if _scope.events is not None:
        _scope.events.append((symbol if held else _NEGATED[symbol], left, right, "", _where()))
    return held


def _note_escape(value: int, what: str) -> None:
    if _scope.events is not None:
        _scope.events.append(("", value, 0, what, _where()))


class ShapeInt(int):
    """An extent, or an integer computed from extents."""

    @staticmethod
    def note_length(value: int) -> None:
        _note_escape(value, "len()")

    def __int__(self):
        _note_escape(_plain(self), "int()")
        return _plain(self)

    def __float__(self):
        _note_escape(_plain(self), "float()")
        return float(_plain(self))

    def __bool__(self):
        return _note_comparison("!=", _plain(self), 0)

    __hash__ = int.__hash__


class ShapeFloat(float):
    """A floating number computed from extents."""

    def __int__(self):
        _note_escape(_bits(self), "int()")
        return int(float.__float__(self))

    __trunc__ = __floor__ = __ceil__ = __round__ = None  # a TypeError: // and - say the same and can be followed
    __hash__ = float.__hash__


def _plain(value: int) -> int:
    return int.__int__(value)


def _bits(value: float) -> int:
    return struct.unpack("<q", struct.pack("<d", float.__float__(value)))[0]


def _wrap(value):
    """What arithmetic gave, followed as well."""
    if type(value) is int:
        return ShapeInt(value)
    if type(value) is float:
        return ShapeFloat(value)
    if type(value) is tuple:  # divmod
        return tuple(_wrap(v) for v in value)
    return value


def _arithmetic(base: type, name: str):
    method = getattr(base, name)

    def followed_method(self, *others):
        plain = [base.__float__(o) if isinstance(o, ShapeFloat) else _plain(o) if isinstance(o, ShapeInt) else o for o in others]
        return _wrap(method(self, *plain))

    followed_method.__name__ = name
    return followed_method


def _comparison(symbol: str):
    def compared_int(self, other):
        if isinstance(other, int):
            return _note_comparison(symbol, _plain(self), _plain(other))
        return _compare_floating(symbol, self, other)

    return compared_int


def _compare_floating(symbol: str, left, right):
    if not isinstance(right, (int, float)):
        return NotImplemented
    a, b = (float.__float__(v) if isinstance(v, float) else float(_plain(v)) for v in (left, right))
    _note_escape(_bits(a), "comparing with a floating number")
    _note_escape(_bits(b), "comparing with a floating number")
    return _COMPARE[symbol](a, b)


_BINARY = "add sub mul floordiv mod truediv pow divmod".split()
for _name in [f"__{r}{n}__" for n in _BINARY for r in ("", "r")] + ["__neg__", "__pos__", "__abs__"]:
    setattr(ShapeInt, _name, _arithmetic(int, _name))
    setattr(ShapeFloat, _name, _arithmetic(float, _name))
for _method, _symbol in (("eq", "=="), ("ne", "!="), ("lt", "<"), ("le", "<="), ("gt", ">"), ("ge", ">=")):
    setattr(ShapeInt, f"__{_method}__", _comparison(_symbol))
    setattr(ShapeFloat, f"__{_method}__", lambda self, other, _symbol=_symbol: _compare_floating(_symbol, self, other))
