"""Assigning and deleting attributes, as type slots do it: default setattr alone is an effect; what decides that it is, is checked."""

from __future__ import annotations

import threading
import types
from typing import Any

from kiln._core import Tensor
from kiln.capture import attributes, containers, functions, library
from kiln.capture.recording import Recording, class_value, instance_value
from kiln.capture.values import HEAP_TYPE, MISSING, NotReplayable, Raised, Symbol, is_static, is_tensor, unknown


def set_attribute(machine: Any, obj: Any, name: str, value: Any) -> None:
    """obj.name = value."""
    rec: Recording = machine.rec
    obj = rec.pin(obj)
    kind = type(obj)
    if is_tensor(obj) and class_value(Tensor, name) is not MISSING:
        return _set_of_tensor(rec, obj, name, value)
    if isinstance(obj, type):
        return _set_of_class(machine, obj, name, value)
    if kind is types.ModuleType and name not in ("__dict__", "__class__"):
        return containers.set_item(machine, rec.know_constant(obj.__dict__, obj.__name__), name, value)
    if is_tensor(obj) and id(obj) in rec.fresh:
        raise NotReplayable("it gives an attribute to a tensor that it has made")
    if kind is types.FunctionType:
        return functions.set_attribute(machine, obj, name, value)
    if kind is threading.local:
        return library.set_of_local(machine, obj, name, value)
    if isinstance(obj, types.ModuleType) or is_static(obj):
        raise NotReplayable(f"it assigns {getattr(obj, '__name__', kind.__name__)}.{name}")
    if id(obj) not in rec.fresh and id(obj) not in rec.registers:
        raise unknown(obj)
    setter = attributes.check_class(rec, kind, "__setattr__")
    if type(setter) is types.FunctionType:
        machine.call(setter, (obj, name, value))
        return None
    if setter is not class_value(object, "__setattr__"):
        raise NotReplayable(f"it assigns .{name} of a {kind.__name__}")
    return set_plain(machine, obj, name, value)


def _set_of_class(machine: Any, cls: type, name: str, value: Any) -> None:
    """cls.name = value: of a plain attribute that is none, or no descriptor, before and after."""
    rec: Recording = machine.rec
    setter = attributes.check_class(rec, type(cls), "__setattr__")
    found = class_value(cls, name)
    of_meta = class_value(type(cls), name)
    given = value.value if type(value) is Symbol else value
    special = name.startswith("__") or any(hasattr(type(v), "__get__") for v in (found, of_meta, given) if v is not MISSING)
    if special or setter is not class_value(type, "__setattr__") or not cls.__flags__ & HEAP_TYPE or id(cls) in rec.fresh:
        raise NotReplayable(f"it assigns {cls.__name__}.{name}")
    if type(cls) is not type:
        attributes.check_class(rec, type(cls), name)
    if attributes.is_plain_value(found):  # of the same type still, whatever it is
        rec.once("type", rec.read_register("class_attribute", cls, name), rec.constant(type(found)))
    elif (id(cls), name) not in rec.written and attributes.assigned_in(rec, cls, name) is MISSING:
        attributes.check_class(rec, cls, name)
    rec.assigned_in_classes.add(name)
    value = containers.stored(rec, value)
    rec.effect("setattr", cls, name, value)
    rec.written[id(cls), name] = value


def set_own(machine: Any, obj: Any, name: str, value: Any) -> None:
    """obj.__dict__[name] = value, where that is an assignment to the attribute."""
    rec: Recording = machine.rec
    found = class_value(type(obj), name)
    if type(obj) is types.FunctionType and id(obj) in rec.fresh and found is not MISSING:
        obj.__dict__[name] = value  # where nobody finds it
        return
    if type(name) is not str or (found is not MISSING and hasattr(type(found), "__set__")):
        raise NotReplayable(f"it writes to the __dict__ of a {type(obj).__name__}")
    set_plain(machine, obj, name, value)


def set_plain(machine: Any, obj: Any, name: str, value: Any) -> None:
    """What object.__setattr__ does."""
    rec: Recording = machine.rec
    kind = type(obj)
    if name == "__class__" and id(obj) in rec.fresh and isinstance(value, type):
        try:
            object.__setattr__(obj, name, value)
        except TypeError as error:
            raise Raised(error.with_traceback(None)) from None
        return
    if name in ("__class__", "__dict__"):
        raise NotReplayable(f"it assigns .{name} of a {kind.__name__}")
    found = attributes.check_class(rec, kind, name)
    if found is not MISSING and type(found) is not types.MemberDescriptorType:
        if type(found) is property:
            if found.fset is None:
                try:
                    object.__setattr__(obj, name, None)
                except AttributeError as error:
                    raise Raised(error) from None
            machine.call(found.fset, (obj, value))
            return
        setter = attributes.entry_of_class(rec, found, "__set__")
        if setter is not MISSING:
            if type(setter) is not types.FunctionType:
                raise NotReplayable(f"it assigns {kind.__name__}.{name}")
            machine.call(setter, (attributes.state_of_class(rec, kind, name, found), obj, value))
            return
    if kind.__dictoffset__ == 0 and found is MISSING:
        raise Raised(attributes.error_of(obj, name))
    if id(obj) not in rec.fresh and any(owner is obj and namespace in rec.whole for namespace, owner in rec.owners.items()):
        raise NotReplayable(f"it assigns to an attribute after a look at all of {kind.__name__}.__dict__")
    rec.set_attribute(obj, name, value)


def delete_attribute(machine: Any, obj: Any, name: str) -> None:
    """del obj.name."""
    rec: Recording = machine.rec
    kind = type(obj)
    if kind is threading.local:
        library.delete_of_local(machine, obj, name)
        return
    if is_tensor(obj) or isinstance(obj, (type, types.ModuleType)) or is_static(obj):
        raise NotReplayable(f"it deletes .{name} of a {kind.__name__}")
    deleter = attributes.check_class(rec, kind, "__delattr__")
    if type(deleter) is types.FunctionType:
        machine.call(deleter, (obj, name))
        return
    delete_plain(machine, obj, name)


def delete_plain(machine: Any, obj: Any, name: str) -> None:
    """What object.__delattr__ does."""
    rec: Recording = machine.rec
    kind = type(obj)
    found = attributes.check_class(rec, kind, name)
    if (
        found is not MISSING
        and (hasattr(type(found), "__delete__") or hasattr(type(found), "__set__"))
        and type(found) is not types.MemberDescriptorType
    ):
        raise NotReplayable(f"it deletes {kind.__name__}.{name}")
    if rec.written.get((id(obj), name), instance_value(obj, name)) is MISSING:
        raise NotReplayable(f"it deletes .{name}, which is not there")
    if id(obj) not in rec.fresh and (id(obj), name) not in rec.written:
        rec.emit("attribute", rec.operand(obj), rec.constant(name), result=True, path=f"{rec.name_of(obj)}.{name}")
    rec.delete_attribute(obj, name)


def _set_of_tensor(rec: Recording, x: Any, name: str, value: Any) -> None:
    if name == "requires_grad" and id(x) in rec.fresh:
        x.requires_grad = rec.pin(value)
        rec.emit("set_attribute", rec.operand(x), rec.constant(name), rec.constant(rec.pin(value)))
        return
    if name != "grad":
        raise NotReplayable(f"it assigns .{name} of a tensor")
    save_gradients(rec)
    if value is not None and not is_tensor(value):
        raise NotReplayable("it assigns .grad something that is no tensor")
    rec.emit("set_attribute", rec.operand(x), rec.constant(name), rec.operand(value))
    x.grad = value


def save_gradients(rec: Recording) -> None:
    """Before something changes gradients: they are put back if the recording, or a replay of it, is taken back."""
    tensors = [x for x in rec.alive if is_tensor(x) and x.is_leaf]
    saved = [(x, x.grad) for x in tensors]

    def restore() -> None:
        for x, grad in saved:
            x.grad = grad

    rec.undo.append(restore)
    rec.emit("save_gradients")
