"""An interpreter of CPython's byte code that runs a function for real and has a Recording kept of it.

One function an operation, found by the operation's name; what they do to the stack is in the documentation of the module dis. An operation
that has none here ends the recording.
"""

from __future__ import annotations

import builtins
import types
from typing import Any

from kiln.capture import attributes, containers, operations
from kiln.capture.attributes import Bound
from kiln.capture.calls import call_value
from kiln.capture.code import Program, decode, is_interpretable
from kiln.capture.recording import Recording
from kiln.capture.values import MISSING, NotReplayable, Raised

MAX_DEPTH = 150


class Frame:
    __slots__ = ("cells", "function", "globals", "handled", "index", "keywords", "locals", "program", "stack")

    def __init__(self, program: Program, function: Any, namespace: dict[str, Any]) -> None:
        self.program, self.function, self.globals = program, function, namespace
        self.locals: list[Any] = [MISSING] * len(program.locals)
        self.stack: list[Any] = []
        self.index = 0
        self.keywords: tuple[str, ...] = ()
        self.handled: list[Any] = []  # exceptions in except blocks, as sys.exc_info() nests them

    @property
    def place(self) -> str:
        code = self.program.code
        return f"{code.co_filename}:{self.program.lines[self.index] or code.co_firstlineno}"


class InterpretedGenerator:
    """A generator of a function that is being interpreted; it lives and dies inside of one recording."""

    __slots__ = ("finished", "frame", "machine", "started")

    def __init__(self, machine: Machine, frame: Frame) -> None:
        self.machine, self.frame, self.started, self.finished = machine, frame, False, False

    def send(self, value: Any) -> Any:
        """The next value; MISSING at the end, with what was returned in `frame.stack[-1]`."""
        if self.finished:
            return MISSING
        if self.started:
            self.frame.stack.append(value)
        self.started = True
        try:
            kind, value = self.machine.run(self.frame)
        except BaseException:
            self.finished = True
            raise
        if kind == "return":
            self.finished = True
            self.frame.stack = [value]
            return MISSING
        return value


class Machine:
    def __init__(self, rec: Recording) -> None:
        self.rec = rec
        self.depth = 0
        self.frames: list[Frame] = []

    # ---- running -----------------------------------------------------------------------------------------------------

    def call(self, function: Any, args: tuple, kwargs: dict[str, Any] | None = None) -> Any:
        return call_value(self, function, args, kwargs or {})

    def enter(self, function: types.FunctionType, slots: list[Any], closure: tuple) -> Any:
        """Runs a Python function whose parameters are bound already."""
        code = function.__code__
        if not is_interpretable(code):
            raise NotReplayable(f"{code.co_qualname} is a coroutine")
        program = decode(code)
        frame = Frame(program, function, function.__globals__)
        frame.locals[: len(slots)] = slots
        if closure:
            frame.locals[-len(closure) :] = closure
        if self.depth >= MAX_DEPTH:
            raise NotReplayable(f"calls nest deeper than {MAX_DEPTH}")
        return self.run(frame)[1]

    def run(self, frame: Frame) -> tuple[str, Any]:
        self.depth += 1
        self.frames.append(frame)
        names, arguments = frame.program.names, frame.program.arguments
        try:
            while True:
                name = names[frame.index]
                handler = HANDLERS.get(name)
                if handler is None:
                    raise NotReplayable(f"Python's operation {name} is not one that is recorded")
                at = frame.index
                frame.index = at + 1
                try:
                    done = handler(self, frame, arguments[at])
                except Raised as raised:
                    self._unwind(frame, at, raised)
                    continue
                except NotReplayable:
                    if not self.rec.line:
                        frame.index = at
                        self.rec.line = frame.place
                    raise
                except RecursionError:
                    raise NotReplayable("calls nest too deep") from None
                except Exception as error:  # of a C function: whether it comes again depends on what was not checked
                    frame.index = at
                    self.rec.line = self.rec.line or frame.place
                    raise NotReplayable(f"{type(error).__name__}: {str(error)[:120]}") from error
                if done is not None:
                    return done
        finally:
            self.depth -= 1
            self.frames.pop()

    def _unwind(self, frame: Frame, at: int, raised: Raised) -> None:
        for handler in frame.program.handlers:
            if handler.start <= at < handler.end:
                del frame.stack[handler.depth :]
                if handler.keeps_place:
                    frame.stack.append(at)
                frame.stack.append(raised.error)
                frame.index = handler.target
                return
        raise raised

    # ---- what handlers ask for ---------------------------------------------------------------------------------------

    def truth(self, value: Any) -> bool:
        return operations.truth(self, value)

    def item(self, container: Any, key: Any) -> Any:
        return containers.get_item(self, container, key)

    def global_value(self, frame: Frame, name: str) -> Any:
        rec, namespace = self.rec, frame.globals
        if (id(namespace), name) in rec.written:
            value = rec.written[id(namespace), name]
            if value is MISSING:
                raise NotReplayable(f"the global '{name}' has been deleted")
            return value
        if name in namespace:
            return rec.load(namespace[name], "dict_item", rec.constant(namespace), rec.constant(name), path=f"global {name}")
        rec.once("no_item", rec.constant(namespace), rec.constant(name), path=f"global {name}")
        known = namespace.get("__builtins__", builtins)
        known = known if isinstance(known, dict) else known.__dict__
        if name not in known:
            rec.once("no_item", rec.constant(known), rec.constant(name), path=f"builtin {name}")
            raise Raised(NameError(f"name '{name}' is not defined", name=name))
        return rec.load(known[name], "dict_item", rec.constant(known), rec.constant(name), path=f"builtin {name}")

    def cell_value(self, frame: Frame, slot: int) -> Any:
        rec, cell = self.rec, frame.locals[slot]
        name = frame.program.locals[slot]
        if id(cell) in rec.fresh:
            try:
                return cell.cell_contents
            except ValueError:
                raise Raised(
                    NameError(f"cannot access free variable '{name}' where it is not associated with a value in enclosing scope")
                ) from None
        if (id(cell), "") in rec.written:
            return rec.written[id(cell), ""]
        try:
            value = cell.cell_contents
        except ValueError:
            raise NotReplayable(f"the closure's '{name}' has no value") from None
        return rec.load(value, "cell", rec.operand(cell), path=f"closure {name}")

    def set_cell(self, cell: Any, value: Any) -> None:
        rec = self.rec
        if id(cell) in rec.fresh:
            cell.cell_contents = value
            return
        rec.operand(cell)
        value = containers.stored(rec, value)
        rec.written[id(cell), ""] = value
        rec.effect("cell", cell, value)


HANDLERS: dict[str, Any] = {}


def operation(*names: str):
    def add(function: Any) -> Any:
        for name in names or (function.__name__,):
            HANDLERS[name] = function
        return function

    return add


@operation("NOP", "RESUME", "CACHE", "PRECALL", "EXTENDED_ARG", "COPY_FREE_VARS")
def nothing(m: Machine, f: Frame, arg: int) -> None:
    pass


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


# ---- variables ---------------------------------------------------------------------------------------------------------


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


# ---- the stack's shuffles and containers -------------------------------------------------------------------------------


def _pop_many(f: Frame, count: int) -> list[Any]:
    if count == 0:
        return []
    values = f.stack[-count:]
    del f.stack[-count:]
    return values


@operation()
def BUILD_TUPLE(m, f, arg):
    f.stack.append(tuple(_pop_many(f, arg)))


@operation()
def BUILD_LIST(m, f, arg):
    f.stack.append(m.rec.make(_pop_many(f, arg)))


@operation()
def BUILD_SET(m, f, arg):
    values = [m.rec.pin(v) for v in _pop_many(f, arg)]
    for v in values:
        containers.check_key(m, v)
    f.stack.append(m.rec.make(set(values)))


@operation()
def BUILD_MAP(m, f, arg):
    values = _pop_many(f, 2 * arg)
    made = {}
    for key, value in zip(values[::2], values[1::2], strict=True):
        made[containers.check_key(m, key)] = value
    f.stack.append(m.rec.make(made))


@operation()
def BUILD_CONST_KEY_MAP(m, f, arg):
    keys = f.stack.pop()
    f.stack.append(m.rec.make(dict(zip(keys, _pop_many(f, arg), strict=True))))


@operation()
def BUILD_SLICE(m, f, arg):
    f.stack.append(slice(*_pop_many(f, arg)))


@operation()
def BUILD_STRING(m, f, arg):
    f.stack.append("".join(_pop_many(f, arg)))


@operation()
def FORMAT_VALUE(m, f, arg):
    spec = f.stack.pop() if arg & 4 else ""
    value = f.stack.pop()
    convert = (None, builtins.str, builtins.repr, builtins.ascii)[arg & 3]
    if convert is not None:
        value = m.call(convert, (value,))
    f.stack.append(value if type(value) is str and not spec else m.call(builtins.format, (value, spec)))


@operation()
def LIST_TO_TUPLE(m, f, arg):
    f.stack[-1] = tuple(f.stack[-1])


@operation()
def LIST_APPEND(m, f, arg):
    value = f.stack.pop()
    f.stack[-arg].append(value)


@operation()
def SET_ADD(m, f, arg):
    value = containers.check_key(m, f.stack.pop())
    f.stack[-arg].add(value)


@operation()
def MAP_ADD(m, f, arg):
    value = f.stack.pop()
    key = containers.check_key(m, f.stack.pop())
    f.stack[-arg][key] = value


@operation()
def LIST_EXTEND(m, f, arg):
    values = f.stack.pop()
    f.stack[-arg].extend(containers.iterate(m, values))


@operation()
def SET_UPDATE(m, f, arg):
    values = f.stack.pop()
    f.stack[-arg].update(containers.check_key(m, v) for v in containers.iterate(m, values))


@operation()
def DICT_UPDATE(m, f, arg):
    source = f.stack.pop()
    f.stack[-arg].update(containers.dict_items(m, source))


@operation()
def DICT_MERGE(m, f, arg):
    source = f.stack.pop()
    target = f.stack[-arg]
    items = containers.dict_items(m, source)
    if target.keys() & items.keys():
        raise NotReplayable("a keyword argument is given twice")
    target.update(items)


@operation()
def UNPACK_SEQUENCE(m, f, arg):
    values = list(containers.iterate(m, f.stack.pop()))
    if len(values) != arg:
        few = f"not enough values to unpack (expected {arg}, got {len(values)})"
        raise Raised(ValueError(few if len(values) < arg else f"too many values to unpack (expected {arg})"))
    f.stack.extend(reversed(values))


@operation()
def UNPACK_EX(m, f, arg):
    before, after = arg & 255, arg >> 8
    values = list(containers.iterate(m, f.stack.pop()))
    if len(values) < before + after:
        raise Raised(ValueError(f"not enough values to unpack (expected at least {before + after}, got {len(values)})"))
    middle = m.rec.make(values[before : len(values) - after])
    f.stack.extend(reversed([*values[:before], middle, *values[len(values) - after :]]))


@operation()
def BINARY_SUBSCR(m, f, arg):
    key = f.stack.pop()
    f.stack.append(containers.get_item(m, f.stack.pop(), key))


@operation()
def STORE_SUBSCR(m, f, arg):
    value, target, key = _pop_many(f, 3)
    containers.set_item(m, target, key, value)


@operation()
def DELETE_SUBSCR(m, f, arg):
    key = f.stack.pop()
    containers.delete_item(m, f.stack.pop(), key)


@operation()
def GET_LEN(m, f, arg):
    f.stack.append(m.call(builtins.len, (f.stack[-1],)))


# ---- arithmetic --------------------------------------------------------------------------------------------------------


@operation()
def BINARY_OP(m, f, arg):
    right = f.stack.pop()
    f.stack.append(operations.binary(m, arg, f.stack.pop(), right))


@operation("UNARY_POSITIVE", "UNARY_NEGATIVE", "UNARY_NOT", "UNARY_INVERT")
def unary(m, f, arg):
    name = f.program.names[f.index - 1]
    f.stack.append(operations.unary(m, name, f.stack.pop()))


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


# ---- jumps -------------------------------------------------------------------------------------------------------------


@operation()
def JUMP_FORWARD(m, f, arg):
    f.index += arg


@operation("JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT")
def JUMP_BACKWARD(m, f, arg):
    f.index -= arg


def _jump(name: str, direction: int, test: Any) -> None:
    def handler(m, f, arg):
        if test(m, f.stack.pop()):
            f.index += direction * arg

    HANDLERS[name] = handler


for _way, _direction in (("FORWARD", 1), ("BACKWARD", -1)):
    _jump(f"POP_JUMP_{_way}_IF_TRUE", _direction, lambda m, v: m.truth(v))
    _jump(f"POP_JUMP_{_way}_IF_FALSE", _direction, lambda m, v: not m.truth(v))
    _jump(f"POP_JUMP_{_way}_IF_NONE", _direction, lambda m, v: v is None)
    _jump(f"POP_JUMP_{_way}_IF_NOT_NONE", _direction, lambda m, v: v is not None)


@operation()
def JUMP_IF_TRUE_OR_POP(m, f, arg):
    if m.truth(f.stack[-1]):
        f.index += arg
    else:
        f.stack.pop()


@operation()
def JUMP_IF_FALSE_OR_POP(m, f, arg):
    if m.truth(f.stack[-1]):
        f.stack.pop()
    else:
        f.index += arg


@operation()
def GET_ITER(m, f, arg):
    f.stack.append(containers.iterator(m, f.stack.pop()))


@operation()
def GET_YIELD_FROM_ITER(m, f, arg):
    if not isinstance(f.stack[-1], InterpretedGenerator):
        f.stack.append(containers.iterator(m, f.stack.pop()))


@operation()
def FOR_ITER(m, f, arg):
    value = containers.advance(m, f.stack[-1])
    if value is MISSING:
        f.stack.pop()
        f.index += arg
    else:
        f.stack.append(value)


# ---- attributes, calls -------------------------------------------------------------------------------------------------


@operation()
def LOAD_ATTR(m, f, arg):
    value = attributes.get_attribute(m, f.stack.pop(), f.program.code.co_names[arg])
    f.stack.append(value)


@operation()
def LOAD_METHOD(m, f, arg):
    value = attributes.get_attribute(m, f.stack.pop(), f.program.code.co_names[arg], method=True)
    if type(value) is Bound:
        f.stack += [value.function, value.receiver]
    else:
        f.stack += [MISSING, value]


@operation()
def STORE_ATTR(m, f, arg):
    obj = f.stack.pop()
    attributes.set_attribute(m, obj, f.program.code.co_names[arg], f.stack.pop())


@operation()
def DELETE_ATTR(m, f, arg):
    attributes.delete_attribute(m, f.stack.pop(), f.program.code.co_names[arg])


@operation()
def KW_NAMES(m, f, arg):
    f.keywords = f.program.code.co_consts[arg]


@operation()
def CALL(m, f, arg):
    arguments = _pop_many(f, arg)
    function = f.stack.pop()
    callee = f.stack.pop()
    if callee is not MISSING:  # a method and what it is bound to
        arguments.insert(0, function)
        function = callee
    names, f.keywords = f.keywords, ()
    keywords = {}
    if names:
        keywords = dict(zip(names, _pop_many_of(arguments, len(names)), strict=True))
    f.stack.append(m.call(function, tuple(arguments), keywords))


def _pop_many_of(values: list[Any], count: int) -> list[Any]:
    taken = values[-count:]
    del values[-count:]
    return taken


@operation()
def CALL_FUNCTION_EX(m, f, arg):
    keywords = containers.dict_items(m, f.stack.pop()) if arg & 1 else {}
    arguments = tuple(containers.iterate(m, f.stack.pop()))
    function = f.stack.pop()
    f.stack.pop()
    f.stack.append(m.call(function, arguments, keywords))


@operation()
def MAKE_FUNCTION(m, f, arg):
    code = f.stack.pop()
    closure = f.stack.pop() if arg & 8 else None
    annotations = f.stack.pop() if arg & 4 else None
    keyword_defaults = f.stack.pop() if arg & 2 else None
    defaults = f.stack.pop() if arg & 1 else None
    made = types.FunctionType(code, f.globals, code.co_name, defaults, closure)
    made.__kwdefaults__ = keyword_defaults
    made.__qualname__ = code.co_qualname
    del annotations
    f.stack.append(m.rec.make(made))


@operation()
def RETURN_VALUE(m, f, arg):
    return "return", f.stack.pop()


@operation()
def LOAD_ASSERTION_ERROR(m, f, arg):
    f.stack.append(AssertionError)


@operation()
def IMPORT_NAME(m, f, arg):
    import sys

    names, level = f.stack.pop(), f.stack.pop()
    name = f.program.code.co_names[arg]
    if level or name not in sys.modules or (names is None and "." in name):
        raise NotReplayable(f"it imports {name}")
    f.stack.append(m.rec.load(sys.modules[name], "dict_item", m.rec.constant(sys.modules), m.rec.constant(name), path=f"module {name}"))


@operation()
def IMPORT_FROM(m, f, arg):
    f.stack.append(attributes.get_attribute(m, f.stack[-1], f.program.code.co_names[arg]))


# ---- exceptions and with ----------------------------------------------------------------------------------------------


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


# ---- generators --------------------------------------------------------------------------------------------------------


@operation()
def RETURN_GENERATOR(m, f, arg):
    f.stack.append(None)  # which the first POP_TOP takes
    return "return", m.rec.make(InterpretedGenerator(m, f))


@operation()
def YIELD_VALUE(m, f, arg):
    return "yield", f.stack.pop()


@operation()
def SEND(m, f, arg):
    value = f.stack.pop()
    source = f.stack[-1]
    if isinstance(source, InterpretedGenerator):
        given = source.send(value)
        result = source.frame.stack[-1] if given is MISSING and source.frame.stack else None
    else:
        given, result = containers.advance(m, source), None
    if given is MISSING:
        f.stack[-1] = result
        f.index += arg
    else:
        f.stack.append(given)


from kiln.capture import matching  # noqa: E402, F401  its operations are added to the table

__all__ = ["Frame", "InterpretedGenerator", "Machine"]
