"""Operators and comparisons."""

from __future__ import annotations

from kiln.capture import containers, operations
from kiln.capture.opcodes.table import operation


@operation()
def BINARY_OP(m, f, arg):
    right = f.stack.pop()
    f.stack.append(operations.binary(m, arg, f.stack.pop(), right))


def _unary(name: str) -> None:
    @operation(name)
    def apply(m, f, arg):
        f.stack.append(operations.unary(m, name, f.stack.pop()))


for _name in ("UNARY_POSITIVE", "UNARY_NEGATIVE", "UNARY_NOT", "UNARY_INVERT"):
    _unary(_name)


@operation()
def COMPARE_OP(m, f, arg):
    right = f.stack.pop()
    f.stack.append(operations.compare(m, arg, f.stack.pop(), right))


@operation()
def IS_OP(m, f, arg):
    right = f.stack.pop()
    f.stack.append(operations.is_same(m, f.stack.pop(), right) != bool(arg))


@operation()
def CONTAINS_OP(m, f, arg):
    container = f.stack.pop()
    f.stack.append(containers.contains(m, container, f.stack.pop()) != bool(arg))
