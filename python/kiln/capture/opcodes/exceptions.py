"""raise, except and with."""

from __future__ import annotations

from kiln.capture import attributes
from kiln.capture.attributes import Bound
from kiln.capture.opcodes.table import operation
from kiln.capture.values import NotReplayable, Raised


@operation()
def RAISE_VARARGS(m, f, arg):
    cause = f.stack.pop() if arg == 2 else None
    if arg == 0:
        if not f.handled or f.handled[-1] is None:
            raise NotReplayable("it raises again where no exception is handled")
        raise Raised(f.handled[-1])
    error = f.stack.pop()
    if isinstance(error, type) and issubclass(error, BaseException):
        error = m.call(error, ())
    if not isinstance(error, BaseException):
        raise NotReplayable("it raises what is no exception")
    if cause is not None:
        error.__cause__ = cause if isinstance(cause, BaseException) else None
    raise Raised(error)


@operation()
def PUSH_EXC_INFO(m, f, arg):
    error = f.stack.pop()
    f.stack += [f.handled[-1] if f.handled else None, error]
    f.handled.append(error)


@operation()
def POP_EXCEPT(m, f, arg):
    f.stack.pop()
    f.handled.pop()


@operation()
def CHECK_EXC_MATCH(m, f, arg):
    wanted = f.stack.pop()
    for kind in wanted if isinstance(wanted, tuple) else (wanted,):
        if not isinstance(kind, type) or type(kind) is not type:
            raise NotReplayable("it catches what is no plain class of exceptions")
    f.stack.append(isinstance(f.stack[-1], wanted))


@operation()
def RERAISE(m, f, arg):
    error = f.stack.pop()
    raise Raised(error)


@operation()
def BEFORE_WITH(m, f, arg):
    manager = f.stack.pop()
    leave = attributes.get_attribute(m, manager, "__exit__", method=True)
    enter = attributes.get_attribute(m, manager, "__enter__", method=True)
    if type(leave) is not Bound or type(enter) is not Bound:
        raise NotReplayable(f"a {type(manager).__name__} is no plain context manager")
    f.stack.append(leave)
    f.stack.append(m.call(enter.function, (enter.receiver,)))


@operation()
def WITH_EXCEPT_START(m, f, arg):
    error, leave = f.stack[-1], f.stack[-4]
    f.stack.append(m.call(leave.function, (leave.receiver, type(error), error, None)))
