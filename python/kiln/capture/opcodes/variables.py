"""Constants, variables of all scopes, and the stack's shuffles."""

from __future__ import annotations

import types

from kiln.capture import containers
from kiln.capture.opcodes.table import nothing, operation
from kiln.capture.values import MISSING, NotReplayable, Raised

operation("NOP", "RESUME", "CACHE", "PRECALL", "COPY_FREE_VARS")(nothing)


@operation()
def POP_TOP(m, f, arg):
    f.stack.pop()


@operation()
def PUSH_NULL(m, f, arg):
    f.stack.append(MISSING)


@operation()
def COPY(m, f, arg):
    f.stack.append(f.stack[-arg])


@operation()
def SWAP(m, f, arg):
    f.stack[-1], f.stack[-arg] = f.stack[-arg], f.stack[-1]


@operation()
def LOAD_CONST(m, f, arg):
    f.stack.append(f.program.code.co_consts[arg])


@operation()
def LOAD_FAST(m, f, arg):
    value = f.locals[arg]
    if value is MISSING:
        name = f.program.locals[arg]
        raise Raised(UnboundLocalError(f"cannot access local variable '{name}' where it is not associated with a value"))
    f.stack.append(value)


@operation()
def STORE_FAST(m, f, arg):
    f.locals[arg] = f.stack.pop()


@operation()
def DELETE_FAST(m, f, arg):
    if f.locals[arg] is MISSING:
        raise NotReplayable("it deletes an unbound variable")
    f.locals[arg] = MISSING


@operation()
def MAKE_CELL(m, f, arg):
    value = f.locals[arg]
    f.locals[arg] = m.rec.make(types.CellType() if value is MISSING else types.CellType(value))


@operation()
def LOAD_CLOSURE(m, f, arg):
    f.stack.append(f.locals[arg])


@operation()
def LOAD_DEREF(m, f, arg):
    f.stack.append(m.cell_value(f, arg))


@operation()
def STORE_DEREF(m, f, arg):
    m.set_cell(f.locals[arg], f.stack.pop())


@operation()
def LOAD_GLOBAL(m, f, arg):
    if arg & 1:
        f.stack.append(MISSING)
    f.stack.append(m.global_value(f, f.program.code.co_names[arg >> 1]))


@operation()
def STORE_GLOBAL(m, f, arg):
    containers.set_item(m, _namespace(m, f), f.program.code.co_names[arg], f.stack.pop())


def _namespace(m, f):
    return m.rec.know_constant(f.globals, "globals()")
