"""What CPython 3.14 does otherwise than 3.13: small integers, borrowed variables, with-statements out of calls, indexing an operator."""

from __future__ import annotations

import opcode

from kiln.capture import attributes, operations
from kiln.capture.attributes import Bound
from kiln.capture.opcodes import building, python313, variables
from kiln.capture.opcodes.calls import call_unpacked
from kiln.capture.opcodes.table import PAIRS, nothing, operation, pop_many
from kiln.capture.values import NotReplayable

operation("NOT_TAKEN")(nothing)
operation("LOAD_FAST_BORROW")(variables.LOAD_FAST)
operation("POP_ITER")(variables.POP_TOP)
PAIRS.update(LOAD_FAST_BORROW_LOAD_FAST_BORROW=("LOAD_FAST_BORROW", "LOAD_FAST_BORROW"))


@operation()
def LOAD_SMALL_INT(m, f, arg):
    f.stack.append(arg)


@operation()
def LOAD_COMMON_CONSTANT(m, f, arg):
    f.stack.append(opcode._common_constants[arg])


@operation()
def UNPACK_SEQUENCE(m, f, arg):
    building.unpack(m, f, arg, counts=(list, tuple, dict))


@operation()
def BINARY_OP(m, f, arg):
    if arg == len(operations.BINARY):  # NB_SUBSCR
        building.BINARY_SUBSCR(m, f, 0)
        return
    right = f.stack.pop()
    f.stack.append(operations.binary(m, arg, f.stack.pop(), right))


@operation()
def CALL_FUNCTION_EX(m, f, arg):
    function, _, arguments, keywords = pop_many(f, 4)
    f.stack.append(call_unpacked(m, function, arguments, keywords))


@operation()
def LOAD_SPECIAL(m, f, arg):
    manager = f.stack.pop()
    method = attributes.get_attribute(m, manager, opcode._special_method_names[arg], method=True)
    if type(method) is not Bound:
        raise NotReplayable(f"a {type(manager).__name__} is no plain context manager")
    python313.push_callable(f, method)


@operation()
def WITH_EXCEPT_START(m, f, arg):
    leave, receiver, _, _, error = f.stack[-5:]
    f.stack.append(m.call(leave, (receiver, type(error), error, None)))
