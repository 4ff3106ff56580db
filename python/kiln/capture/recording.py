"""What one recording knows: registers, reads and their checks, writes and how to undo them."""

from __future__ import annotations

import collections
import types
from collections.abc import Callable
from typing import Any

from kiln import _core
from kiln._core import Tensor
from kiln.capture import patience
from kiln.capture.values import ATOMS, MISSING, WINDOWS, NotReplayable, Symbol, is_constant, is_static, unknown

OPS = {name: number for number, name in enumerate(_core.replay_ops)}
MAX_INSTRUCTIONS = 20_000
SAMPLES = 1 << 24  # registers from here on are of tensors without values (see batches.py), which a replay does not have
MAX_IN_LOOPS = 200_000  # of a call with loops that may be folded


class Memory:
    """What recordings of one function share: constants, and which numbers have been seen to change."""

    def __init__(self, captured: Any) -> None:
        self.captured = captured
        self.name: str = getattr(captured, "__qualname__", type(captured._function).__qualname__)
        self.forced: bool = captured._options["mode"] == "replay"
        self.constants: dict[Any, int] = {}
        self.kept: list[Any] = []  # what is keyed by its id
        self.varying: set[str] = set()
        self.paths: list[str | None] = []  # of the tree's instructions: the number that one checks
        self.checks: list[str] = []  # of the same instructions: what they do
        self.expected: list[int] = []  # and their last operands, which checks compare with
        self.reasons: dict[str, int] = {}  # why Python runs -> how often a recording was given up for it
        self.lost: dict[str, float] = {}  # the milliseconds of those recordings
        self.recordings = 0
        self.failures = 0  # calls that could not be recorded
        self.raised = 0  # calls that were not, because an exception left them
        self.patience = patience.Patience()
        self.skips = True  # are iterations left out of recordings? (skipping.py)
        self.recompiles: list[Any] = []
        self.values: dict[str, str] = {}  # what the last recording saw under a path
        self.told = False

    def constant(self, value: Any) -> int:
        key = _constant_key(value)
        number = self.constants.get(key)
        if number is None:
            self.kept.append(value)
            number = self.constants[key] = _core.replay_constant(self.captured, value)
        return number


def _constant_key(value: Any) -> Any:
    kind = type(value)
    if kind is float:
        return kind, value.hex() if value == value else "nan", str(value)
    if kind in (tuple, frozenset):
        return kind, tuple(_constant_key(v) for v in value), id(value) if kind is frozenset else 0
    if kind is complex:
        return kind, repr(value)
    if kind is slice:
        return kind, *(_constant_key(v) for v in (value.start, value.stop, value.step))
    if kind is range:
        return kind, value.start, value.stop, value.step
    if kind in ATOMS:
        return kind, value
    return id(value)


class Recording:
    """One dry run of a function: instructions so far, and what they were made from."""

    def __init__(self, memory: Memory, timer: patience.Timer | None = None) -> None:
        self.memory = memory
        self.instructions: list[tuple[int, int, int, list[int]]] = []
        self.paths: list[str | None] = []
        self.registers: dict[int, int] = {}  # of known objects, by id
        self.alive: list[Any] = []  # so that no id is taken twice
        self.fresh: set[int] = set()  # ids of objects that this call made
        self.names: dict[int, str] = {}  # of known objects, as a reader of the source would write them
        self.count = 0
        self.memo: dict[tuple, Any] = {}
        self.written: dict[tuple[int, Any], Any] = {}  # (id of the object, what of it) -> value, perhaps a symbol
        self.whole: set[int] = set()  # known containers of which everything has been checked
        self.assigned_in_classes: set[str] = set()  # names of attributes of classes that the call assigns
        self.owners: dict[int, Any] = {}  # instances by the id of their __dict__
        self.effects: list[tuple] = []
        self.undo: list[Callable[[], None]] = []
        self.mutated: dict[int, Any] = {}  # known containers that the call changes: what they hold by now, by id
        self.replaced: dict[int, tuple] = {}  # tuples by the id of what they stand for: the same, with symbols in it
        self.seen: dict[str, Any] = {}  # what was read, by path
        self.inputs: set[str] = set()  # paths of numbers that are read anew at every replay
        self.symbols: dict[int, str] = {}  # the paths of those, by register
        self.line = ""
        self.samples: Any = None  # what notes the calls on tensors without values, while there is such a function
        self.sampled = 0  # their registers so far
        self.loops: list[Any] = []  # loops.Visit, in the order they began
        self.open_loops: dict[int, dict[int, Any]] = {}  # those that may go on: by the id of their frame, by their head
        self.gaps: list[tuple[int, Any]] = []  # where iterations were left out, and of which visit
        self.timer = patience.Timer(memory.patience.milliseconds) if timer is None else timer

    # ---- instructions ------------------------------------------------------------------------------------------------

    def emit(self, op: str, *operands: int, extra: int = 0, result: bool = False, path: str | None = None) -> int:
        """Appends an instruction; the register of its result, if it has one."""
        if self.sampled and any(o >= SAMPLES for o in operands):
            if self.samples is None:
                raise NotReplayable("a tensor of one sample outlives the vmap that it is of")
            return self.sample() if result else -1
        self.timer.step()
        if len(self.instructions) >= (MAX_IN_LOOPS if self.loops else MAX_INSTRUCTIONS):
            raise NotReplayable(f"it does more than {len(self.instructions)} things")
        register = -1
        if result:
            register, self.count = self.count, self.count + 1
        self.instructions.append((OPS[op], extra, register, list(operands)))
        self.paths.append(path)
        return register

    def sample(self) -> int:
        """A register that no instruction of a replay may see."""
        self.sampled += 1
        return SAMPLES + self.sampled

    def once(self, op: str, *operands: int, extra: int = 0, path: str | None = None) -> None:
        """A check, unless it has been made."""
        if (op, operands) not in self.memo:
            self.memo[op, operands] = None
            self.emit(op, *operands, extra=extra, path=path)

    def constant(self, value: Any) -> int:
        """The operand that stands for a constant."""
        self._refuse_own(value)
        return self.memory.constant(value)

    def _refuse_own(self, value: Any) -> None:
        if self.has_own(value):
            raise NotReplayable(f"{getattr(value, '__qualname__', type(value).__name__)}, which the call itself makes, outlives it")

    def has_own(self, value: Any) -> bool:
        """Is it, or is in it, something that would be a constant, had not the call itself made it?"""
        if type(value) is tuple:
            return any(map(self.has_own, value))
        return id(value) in self.fresh and is_static(value)

    def operand(self, value: Any) -> int:
        """The register or constant that stands for a value."""
        if type(value) is Symbol:
            if self.samples is not None and value.register < SAMPLES:  # the call on the batch will have the number itself
                self.pin(value)
            return value.register
        known = self.registers.get(id(value))
        if known is not None:
            return known
        if type(value) in (tuple, slice, list, dict) and not (type(value) is tuple and is_constant(value) and not _has_symbol(value)):
            return self._build(value)
        if is_constant(value):
            return self.constant(value)
        raise unknown(value)

    def _build(self, value: Any) -> int:
        if type(value) is not tuple and type(value) is not slice and id(value) not in self.fresh:
            raise unknown(value)
        if type(value) is slice:
            if is_constant(value):  # not of tensors, whose values decide anew in each call
                return self.constant(value)
            parts = [self.operand(v) for v in (value.start, value.stop, value.step)]
            return self.emit("make_slice", *parts, result=True)
        if type(value) is dict:
            parts = [self.operand(v) for item in value.items() for v in item]
            return self.emit("make_dict", *parts, result=True)
        return self.emit("make_tuple" if type(value) is tuple else "make_list", *map(self.operand, value), result=True)

    def know(self, value: Any, register: int, name: str = "") -> Any:
        """A value that has a register, for its identity."""
        self.registers[id(value)] = register
        self.alive.append(value)
        if name:
            self.names[id(value)] = name
        return value

    def know_constant(self, value: Any, name: str = "") -> Any:
        """A known object that a checked constant leads to: it is the one that was met before on another way, or it is met now."""
        number = self.constant(value)
        known = self.registers.setdefault(id(value), number)
        if known != number:
            self.once("same", known, number, path=f"{self.names.get(id(value), name)} is {name}")
        elif name:
            self.names.setdefault(id(value), name)
        return value

    def make(self, value: Any) -> Any:
        """An object that this call made."""
        self.fresh.add(id(value))
        self.alive.append(value)
        return value

    def name_of(self, value: Any, otherwise: str = "") -> str:
        return self.names.get(id(value)) or otherwise or type(value).__name__

    # ---- reads -------------------------------------------------------------------------------------------------------

    def load(self, value: Any, op: str, *operands: int, path: str, structural: bool = False) -> Any:
        """A value that was read from state that outlives the call: emits the read and what checks it."""
        key = (op, operands)
        if key in self.memo:
            return self.memo[key]
        self.memo[key] = value  # against cycles
        if op != "attribute" and is_static(value) and not (structural and type(value) is types.FunctionType):
            self.seen[path] = value
            self.emit(op, *operands, self.constant(value), extra=1, path=path)
            return value
        register = self.memo.get(("has", key))  # read before, to see that there is something
        if register is None:
            register = self.emit(op, *operands, result=True, path=path)
        result = self.memo[key] = self.check(value, register, path, structural)
        return result

    def read_register(self, op: str, *constants: Any) -> int:
        """The register of a read whose value is not to be checked."""
        key = ("register", op, tuple(map(id, constants)))
        if key not in self.memo:
            self.memo[key] = self.emit(op, *map(self.constant, constants), result=True)
        return self.memo[key]

    def check(self, value: Any, register: int, path: str, structural: bool = False) -> Any:
        """Emits what holds a register to what was seen in it: the value, the object or the type."""
        kind = type(value)
        self.seen[path] = value
        if kind in (int, float) and path in self.memory.varying:
            self.inputs.add(path)
            self.symbols[register] = path
            self.emit("type", register, self.constant(kind), path=None)
            return Symbol(value, register)
        if is_static(value) and not (structural and kind is types.FunctionType):
            self.emit("same", register, self.constant(value), path=path)
            return value
        if kind in ATOMS or (kind is tuple and _atomic(value)):
            self.emit("value", register, self.constant(value), path=path)
            return value
        known = self.registers.get(id(value))
        if known is not None:
            self.emit("same", register, known, path=path)
            return value
        if id(value) in self.fresh:
            raise NotReplayable(f"{path} is an object that the call itself has made")
        if kind in WINDOWS:
            self.emit("same", register, self.constant(value), path=path)
            return self.know_constant(value, path)
        self.emit("type", register, self.constant(kind), path=path)
        self.know(value, register, path)
        if kind is tuple:
            self.emit("length", register, self.constant(len(value)), path=path)
        return value

    def result(self, value: Any, register: int, path: str) -> Any:
        """What an operator or another C function gave: a tensor, or a number that follows from tensors."""
        kind = type(value)
        if isinstance(value, Tensor):
            known = self.registers.get(id(value))
            if known is None:
                if self.samples is not None and self.samples.owns(value):
                    register = self.sample()
                self.know(value, register)
                self.fresh.add(id(value))
            else:  # as x.astype(dtype) gives x itself if it can
                self.emit("same", register, known, path=path)
            return value
        if kind in (int, float, bool, complex):
            return Symbol(value, register)
        if kind is tuple and not is_constant(value):
            return tuple(self._part(register, i, part, path) for i, part in enumerate(value))
        if kind is list:
            return self.make([self._part(register, i, part, path) for i, part in enumerate(value)])
        if isinstance(value, tuple) and hasattr(kind, "_fields"):  # of an operator whose results have names
            for i, part in enumerate(value):
                self._part(register, i, part, path)
            return self.make(value)
        if value is None or is_constant(value):
            self.emit("same" if is_static(value) or value is None else "value", register, self.constant(value), path=path)
            return value
        raise NotReplayable(f"{path} gives a {kind.__name__}")

    def _part(self, register: int, index: int, part: Any, path: str) -> Any:
        return self.result(part, self.emit("item", register, self.constant(index), result=True), path)

    def pin(self, value: Any) -> Any:
        """The number behind a symbol, from here on a constant."""
        if type(value) is not Symbol:
            return value
        path = self.symbols.get(value.register) or f"a number computed at {self.line}"
        self.seen[path] = value.value
        self.once("value", value.register, self.constant(value.value), path=path)
        return value.value

    def pin_all(self, value: Any) -> Any:
        """The same inside of tuples, and of lists and dicts that this call made."""
        kind = type(value)
        if kind is Symbol:
            return self.pin(value)
        if kind is tuple and _has_symbol(value):
            return tuple(self.pin_all(v) for v in value)
        if kind is slice and _has_symbol((value.start, value.stop, value.step)):
            return slice(self.pin(value.start), self.pin(value.stop), self.pin(value.step))
        if id(value) in self.fresh:
            if kind is list:
                for i, v in enumerate(value):
                    if type(v) in (Symbol, tuple, list, dict):
                        value[i] = self.pin_all(v)
            elif kind is dict:
                for k, v in value.items():
                    if type(v) in (Symbol, tuple, list, dict):
                        value[k] = self.pin_all(v)
        return value

    def read_whole(self, value: Any) -> None:
        """Checks everything that a known list, dict or set held when the call began, one level deep."""
        if id(value) in self.whole or id(value) in self.fresh:
            return
        register = self.registers.get(id(value))
        if register is None:
            if is_constant(value):
                return
            raise unknown(value)
        self.whole.add(id(value))
        name = self.name_of(value)
        kind = type(value)
        if isinstance(value, (list, tuple, collections.deque)):
            self.once("length", register, self.constant(len(value)), path=f"len({name})")
            for i, item in enumerate(value):
                known = self.load(item, "item", register, self.constant(i), path=f"{name}[{i}]")
                if id(value) in self.mutated:
                    self.pin(known)  # what stands for the container holds the number
        elif kind is set:
            if not all(is_constant(v) for v in value):
                raise NotReplayable(f"{name} has members that are neither numbers nor strings")
            self.once("members", register, self.constant(tuple(value)), path=f"the members of {name}")
        elif isinstance(value, dict):
            keys = keys_of(value)
            if not all(is_constant(k) for k in keys):
                raise NotReplayable(f"{name} has keys that are neither numbers nor strings")
            self.once("keys", register, self.constant(tuple(keys)), path=f"the keys of {name}")
            for k in keys:
                if (id(value), k) not in self.written:
                    self.load(dict.__getitem__(value, k), "dict_item", register, self.constant(k), path=f"{name}[{k!r}]")
        else:
            raise NotReplayable(f"it looks at all of {name}, a {kind.__name__}")

    # ---- writes ------------------------------------------------------------------------------------------------------

    def before_write(self, target: Any) -> Any:
        """What to change in place of a list, dict or set: itself if the call made it, else a copy, until the call is known to succeed."""
        if id(target) in self.fresh:
            return target
        if id(target) not in self.mutated:
            copy = self.mutated[id(target)] = _copy_of(target)
            if id(target) in self.whole and isinstance(copy, (list, collections.deque)):
                register = self.registers[id(target)]
                for i in range(len(copy)):
                    copy[i] = self.memo.get(("item", (register, self.constant(i))), copy[i])
        return self.mutated[id(target)]

    def grows_only(self, container: Any) -> bool:
        """Has the call done nothing to a list but to put items into it and in their places? Then its length is known by what it was."""
        adds = (list.append, list.insert)
        changes = [(kind, rest) for kind, target, *rest in self.effects if target is container]
        return all(rest[0] in adds if kind == "call" else kind == "setitem" and type(rest[0]) is int for kind, rest in changes)

    def keeps_places(self, container: Any, index: int) -> bool:
        """Is the item at a place of a list still the one that was there, or one put there?"""
        changes = [(kind, rest) for kind, target, *rest in self.effects if target is container]
        stay = all(rest[0] is list.append if kind == "call" else kind == "setitem" and type(rest[0]) is int for kind, rest in changes)
        return stay and 0 <= index < len(container)

    def content(self, container: Any) -> Any:
        """A container as the program sees it by now."""
        return self.mutated.get(id(container), container)

    def effect(self, kind: str, target: Any, *rest: Any) -> None:
        """A change of an object that was there before, to be done again in this order."""
        if id(target) not in self.fresh:
            self.effects.append((kind, target, *rest))

    def set_attribute(self, target: Any, name: str, value: Any) -> None:
        """A plain write of an attribute of an instance, with all the checks behind it."""
        if id(target) in self.fresh:
            object.__setattr__(target, name, value.value if type(value) is Symbol else value)
        else:
            value = self.pin_all(value) if type(value) is not Symbol else value
            self.effect("setattr", target, name, value)
        self.written[id(target), name] = value

    def delete_attribute(self, target: Any, name: str) -> None:
        if id(target) in self.fresh:
            object.__delattr__(target, name)
        else:
            self.effect("delattr", target, name)
        self.written[id(target), name] = MISSING

    def take_back(self) -> None:
        """Undoes what was done to gradients, also while interrupts come in; the last of them is raised when all is as it was."""
        interrupt = None
        while self.undo:
            try:
                self.undo[-1]()
                self.undo.pop()
            except KeyboardInterrupt as error:
                interrupt = error
        if interrupt is not None:
            raise interrupt


def keys_of(held: dict) -> list[Any]:
    """A dict's keys in their order, whatever its class has for an __iter__."""
    return list((collections.OrderedDict if isinstance(held, collections.OrderedDict) else dict).__iter__(held))


def _copy_of(container: Any) -> Any:
    """What stands for a container while the call changes it: that it may be of a subclass does not matter."""
    if isinstance(container, dict):
        return collections.OrderedDict(container) if isinstance(container, collections.OrderedDict) else dict(container)
    for kind in (list, set, collections.deque):
        if isinstance(container, kind):
            return container.copy() if kind is collections.deque else kind(container)
    raise NotReplayable(f"it changes a {type(container).__name__}")


def class_value(kind: type, name: str) -> Any:
    """What a class and its bases have under a name, without asking descriptors."""
    for base in kind.__mro__:
        if name in base.__dict__:
            return base.__dict__[name]
    return MISSING


def instance_value(target: Any, name: str) -> Any:
    """What an instance itself has under a name, in its dict or a slot."""
    of_class = class_value(type(target), name)
    if of_class is MISSING or type(of_class) is types.MemberDescriptorType:
        try:
            return object.__getattribute__(target, name)
        except AttributeError:
            return MISSING
    return _core.own_attribute(target, name, MISSING)


def _has_symbol(value: Any) -> bool:
    return type(value) is Symbol or (type(value) is tuple and any(_has_symbol(v) for v in value))


def _atomic(value: tuple) -> bool:
    return all(type(v) in ATOMS or (type(v) is tuple and _atomic(v)) for v in value)
