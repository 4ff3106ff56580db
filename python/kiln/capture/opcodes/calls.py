"""Attributes, calls, functions and imports."""

from __future__ import annotations

import sys
from typing import Any

from kiln.capture import assignments, attributes, containers, functions
from kiln.capture.attributes import Bound
from kiln.capture.opcodes.table import operation, pop_many
from kiln.capture.values import MISSING, NotReplayable


@operation()
def LOAD_ATTR(m, f, arg):
    value = attributes.get_attribute(m, f.stack.pop(), f.program.code.co_names[arg])
    f.stack.append(value)


@operation()
def LOAD_METHOD(m, f, arg):
    push_callable(f, attributes.get_attribute(m, f.stack.pop(), f.program.code.co_names[arg], method=True))


def push_callable(f: Any, value: Any) -> None:
    """What CALL takes: a function and what it is bound to, or nothing and a callable."""
    f.stack += [value.function, value.receiver] if type(value) is Bound else [MISSING, value]


@operation()
def STORE_ATTR(m, f, arg):
    obj = f.stack.pop()
    assignments.set_attribute(m, obj, f.program.code.co_names[arg], f.stack.pop())


@operation()
def DELETE_ATTR(m, f, arg):
    assignments.delete_attribute(m, f.stack.pop(), f.program.code.co_names[arg])


@operation()
def KW_NAMES(m, f, arg):
    f.keywords = f.program.code.co_consts[arg]


@operation()
def CALL(m, f, arg):
    arguments = pop_many(f, arg)
    function = f.stack.pop()
    callee = f.stack.pop()
    if callee is not MISSING:  # a method and what it is bound to
        arguments.insert(0, function)
        function = callee
    names, f.keywords = f.keywords, ()
    f.stack.append(call_named(m, function, arguments, names))


def call_named(m: Any, function: Any, arguments: list[Any], names: tuple[str, ...]) -> Any:
    """A call whose last arguments are given by name."""
    positional = len(arguments) - len(names)
    return m.call(function, tuple(arguments[:positional]), dict(zip(names, arguments[positional:], strict=True)))


@operation()
def CALL_FUNCTION_EX(m, f, arg):
    keywords = f.stack.pop() if arg & 1 else MISSING
    _, function, arguments = pop_many(f, 3)
    f.stack.append(call_unpacked(m, function, arguments, keywords))


def call_unpacked(m: Any, function: Any, arguments: Any, keywords: Any) -> Any:
    """function(*arguments, **keywords), or without the last, which is MISSING."""
    named = {} if keywords is MISSING else containers.dict_items(m, keywords)
    return m.call(function, tuple(containers.iterate(m, arguments)), named)


@operation()
def MAKE_FUNCTION(m, f, arg):
    code = f.stack.pop()
    closure = f.stack.pop() if arg & 8 else None
    annotations = f.stack.pop() if arg & 4 else None
    keyword_defaults = f.stack.pop() if arg & 2 else None
    defaults = f.stack.pop() if arg & 1 else None
    made = functions.make(m, f, code, closure, keyword_defaults, defaults)
    functions.annotate(made, annotations)
    f.stack.append(made)


@operation()
def RETURN_VALUE(m, f, arg):
    return "return", f.stack.pop()


@operation()
def LOAD_ASSERTION_ERROR(m, f, arg):
    f.stack.append(AssertionError)


@operation()
def IMPORT_NAME(m, f, arg):
    names, level = f.stack.pop(), f.stack.pop()
    name = f.program.code.co_names[arg]
    if level or name not in sys.modules or (names is None and "." in name):
        raise NotReplayable(f"it imports {name}")
    f.stack.append(m.rec.load(sys.modules[name], "dict_item", m.rec.constant(sys.modules), m.rec.constant(name), path=f"module {name}"))


@operation()
def IMPORT_FROM(m, f, arg):
    f.stack.append(attributes.get_attribute(m, f.stack[-1], f.program.code.co_names[arg]))
