"""From a procedure to a graph: every call in order, writes as values.

ONNX has no memory, so a write gives its storage a new value: the whole storage with the written elements scattered into it. Registers that
are views of it are computed again from the new value when they are next read.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from kiln import _core
from kiln.export.trees import named_tensors
from kiln.onnx import table
from kiln.onnx.call import Call, Unsupported
from kiln.onnx.dims import Dim, DimNumber, Dims
from kiln.onnx.graph import Graph, Value
from kiln.onnx.movement import positions_of, scattered
from kiln.onnx.pointwise import one_to_one


@dataclass
class Register:
    """A tensor of the procedure: the owner of a storage, or a view of another register."""

    value: Value
    owner: int  # the register whose value is the storage's
    version: int = 0  # of the owner, when value was computed
    parent: int | None = None  # what it is a view of, by which call
    call: dict[str, Any] | None = None
    contiguous: bool = True
    certain: bool = True  # False: whether it shares memory depends on strides that only a run knows
    leaf: tuple[str, str] | None = None  # "input" or "state", and its name: where a write would be seen outside


class Converter:
    """Converts one entry of a program. `graph` is the result."""

    def __init__(self, entry: Any, state: dict[str, Any], opset: int):
        self.entry = entry
        self.graph = Graph(opset)
        self.registers: list[Register] = []
        results = list(named_tensors(entry.results))
        for name, dtype, _ in entry.inputs:
            _check_dtype(f"the input '{name}'", dtype)
        inputs = [Value(self.graph.unique(name), _name(dtype), tuple(shape)) for name, dtype, shape in entry.inputs]
        self.graph.inputs = inputs
        names = [self.graph.unique(name) for name, _ in results]  # taken before anything else can be called so
        symbols: dict[str, tuple[Value, int]] = {}
        for value in inputs:
            for axis, extent in enumerate(value.shape):
                if isinstance(extent, str):
                    symbols.setdefault(extent, (value, axis))
        self.dims = Dims(self.graph, symbols)
        for leaf in entry.leaves:
            self._add_leaf(leaf, inputs, state)
        for call in entry.calls:
            self._convert(call)
        self.graph.line = ""
        self.graph.finish([(name, self.read(register)) for name, (_, register) in zip(names, results, strict=True)])

    # ---- leaves -------------------------------------------------------------------------------------------------------

    def _add_leaf(self, leaf: dict[str, Any], inputs: list[Value], state: dict[str, Any]) -> None:
        if leaf["kind"] == "input":
            name, value = self.entry.inputs[leaf["index"]][0], inputs[leaf["index"]]
        else:
            name = list(state)[leaf["index"]]
            _check_dtype(f"the state '{name}'", state[name].dtype)
            value = self.graph.initializer(name, _window(state[name], leaf))
        # Strides of inputs are the caller's; a window of the state may be a transpose.
        contiguous = leaf["kind"] == "state" and _is_contiguous(leaf["shape"], leaf["strides"])
        self.registers.append(Register(value, len(self.registers), contiguous=contiguous, leaf=(leaf["kind"], name)))

    # ---- calls --------------------------------------------------------------------------------------------------------

    def _convert(self, call: dict[str, Any]) -> None:
        self.graph.line = call["where"] or ""
        self.graph.scope = call["op"] or "write"
        if call["kind"] == "call":
            self._call(call)
        else:
            self._write(call["destination"], call)

    def _call(self, call: dict[str, Any]) -> None:
        types = [(_name(dtype), tuple(shape)) for dtype, shape in self.entry.types[call["first_output"] :][: call["outputs"]]]
        for dtype, _ in types if table.refusal_of(_core.operators[call["op"]]) is None else ():
            _check_dtype(f"the result of {call['op']} at {call['where']}" if call["where"] else f"the result of {call['op']}", dtype)
        made = self._emit(call, [self._operand(o) for o in call["operands"]], types)
        for value, (dtype, shape) in zip(made, types, strict=True):
            if value.dtype != dtype:
                raise AssertionError(f"{call['op']} became {value.dtype}, not {dtype}")
            value = Value(value.name, dtype, shape)
            self.registers.append(self._register(call, value))

    def _register(self, call: dict[str, Any], value: Value) -> Register:
        number = len(self.registers)
        converter = table.CONVERTERS.get(call["op"])
        operand = call["operands"][0] if call["operands"] else None
        if converter is None or not converter.view or operand is None or operand[0] != "tensor":
            return Register(value, number)
        parent = self.registers[operand[1]]
        if parent.value.dtype != value.dtype:  # dropout of integers: converted, so a copy
            return Register(value, number)
        kept, copies = call["op"] in ("view", "expand_dims", "squeeze"), call["op"] in ("reshape", "flatten", "contiguous")
        return Register(
            value,
            parent.owner,
            version=self.registers[parent.owner].version,
            parent=operand[1],
            call=call,
            contiguous=parent.contiguous and (kept or copies),
            certain=parent.certain and (parent.contiguous or not copies),
        )

    def _emit(self, call: dict[str, Any], operands: list[Any], results: list[tuple[str, tuple]]) -> list[Value]:
        op = _core.operators[call["op"]]
        attributes = dict(call["attrs"])
        for number in call["numbers"]:
            _substitute(number, operands, attributes)
        context = Call(self.graph, self.dims, op, operands, attributes, results)
        if op.version != call["version"]:
            context.refuse(f"this Kiln has version {op.version} of it, the program version {call['version']}", "export the function again")
        refusal = table.refusal_of(op)
        if refusal is not None:
            context.refuse(refusal.reason, refusal.remedy)
        converter = table.CONVERTERS.get(op.__name__)
        made = one_to_one(context) if converter is None else converter.convert(context)
        return made if isinstance(made, list) else [made]

    def _operand(self, operand: tuple[str, Any] | None) -> Any:
        if operand is None or operand[0] == "scalar":
            return None if operand is None else operand[1]
        return self.read(operand[1])

    # ---- memory -------------------------------------------------------------------------------------------------------

    def read(self, number: int) -> Value:
        """A register's value now."""
        register = self.registers[number]
        version = self.registers[register.owner].version
        if register.version != version:
            register.value = self._through(number, self.read(register.parent))
            register.version = version
        return register.value

    def _through(self, number: int, parent: Value) -> Value:
        """The view that register is, of another value in its parent's place."""
        register = self.registers[number]
        operands = [parent, *(self._operand(o) for o in register.call["operands"][1:])]
        (made,) = self._emit(register.call, operands, [(parent.dtype, register.value.shape)])
        return Value(made.name, parent.dtype, register.value.shape)

    def _write(self, number: int, call: dict[str, Any]) -> None:
        target = self.registers[number]
        self._check_writable(target, call)
        old = self.read(number)
        operands = [self._operand(o) for o in call["operands"]]
        if call["kind"] == "in_place":
            value = self._in_place(call, operands, old)
        else:
            stored = [*operands]
            for n in call["numbers"]:
                _substitute(n, stored, {})
            value = stored[0] if isinstance(stored[0], Value) else self._number(stored[0], old.dtype)
        value = self.graph.cast(value, old.dtype)
        if value.shape != old.shape or any(d == "_" for d in old.shape):
            value = self.graph.node("Expand", value, self.graph.shape_of(old))
        value = Value(value.name, old.dtype, old.shape)

        owner = self.registers[target.owner]
        if target is not owner:
            self.graph.scope = "write"
            owner.value = scattered(self.graph, owner.value, self._positions(number), value)
        else:
            owner.value = value
        owner.version += 1
        target.value, target.version = value, owner.version

    def _in_place(self, call: dict[str, Any], operands: list[Any], old: Value) -> Value:
        op = _core.operators[call["op"]]
        if op.outputs != 1:
            raise AssertionError(f"{call['op']} in place has one result")
        kinds = [x.dtype if isinstance(x, Value) else x for x in operands]
        (made,) = self._emit(call, operands, [(op.operand_dtypes(kinds)[0].name, old.shape)])
        whole = op.family == "pointwise" and any(isinstance(x, Value) and x.shape == old.shape for x in operands)
        return Value(made.name, made.dtype, old.shape if whole else None)

    def _number(self, number: Any, dtype: str) -> Value:
        return self.dims.number(number, dtype) if isinstance(number, DimNumber) else self.graph.number(number, dtype)

    def _positions(self, number: int) -> Value:
        """Where in its owner's elements those of a register are."""
        register = self.registers[number]
        if register.parent is None:
            return positions_of(self.graph, register.value)
        return self._through(number, self._positions(register.parent))

    def _check_writable(self, target: Register, call: dict[str, Any]) -> None:
        owner = self.registers[target.owner]
        at = f" at {call['where']}" if call["where"] else ""
        if owner.leaf is not None:
            kind, name = owner.leaf
            new = "export a function that returns the new value instead (of a model: in eval mode)"
            remedy = new if kind == "state" else f"write into a copy, kn.copy({name})"
            raise Unsupported(f"to_onnx: the write{at} changes the {kind} '{name}', and a model changes nothing outside. Remedy: {remedy}")
        if any(r.owner == target.owner and not r.certain for r in self.registers):
            raise Unsupported(
                f"to_onnx: the write{at} goes to memory that a reshape or contiguous of a strided tensor may share or have copied. "
                "Remedy: make the copy explicit with kn.copy"
            )
        view: Register | None = target
        while view is not None and view.parent is not None:
            if view.call["op"] == "broadcast_to":
                raise Unsupported(f"to_onnx: the write{at} goes to repeated elements of broadcast_to. Remedy: write to what was broadcast")
            view = self.registers[view.parent]


def _name(dtype: Any) -> str:
    return dtype if isinstance(dtype, str) else dtype.name


def _check_dtype(what: str, dtype: Any) -> None:
    name = _name(dtype)
    if name in ("float16", "bfloat16"):
        reason = "Kiln rounds after every operator, runtimes for processors compute whole graphs in float32"
        raise Unsupported(f"to_onnx: {what} is {name}: {reason}. Remedy: export the function in float32 (astype)")
    if name in ("complex64", "complex128"):
        reason = "ONNX's operators take no complex numbers"
        raise Unsupported(f"to_onnx: {what} is {name}: {reason}. Remedy: export a function of real(x) and imag(x)")


def _dim(text: str) -> Dim | int:
    return int(text) if text.lstrip("-").isdigit() else Dim(text)


def _substitute(number: dict[str, Any], operands: list[Any], attributes: dict[str, Any]) -> None:
    """Puts a number that follows from a shape where the constant of the traced run stands."""
    dim = _dim(str(number["dim"]))
    fraction = number.get("form")
    value: Any = dim
    if fraction is not None or number["place"] == "operand":
        value = DimNumber(dim, fraction, number.get("factor", 1.0))
    if number["place"] == "operand":
        operands[number["index"]] = value
        return
    name = list(attributes)[number["index"]]
    if isinstance(attributes[name], tuple):
        items = list(attributes[name])
        items[number["element"]] = value
        value = tuple(items)
    attributes[name] = value


def _is_contiguous(shape, strides) -> bool:
    expected = 1
    for extent, stride in zip(reversed(shape), reversed(strides), strict=True):
        if extent != 1 and stride != expected:
            return False
        expected *= extent
    return True


def _window(tensor: Any, leaf: dict[str, Any]) -> np.ndarray:
    """The leaf's elements, row-major. NumPy checks that they lie within the entry."""
    whole = np.ascontiguousarray(tensor.detach().numpy())
    dtype = np.dtype(_name(leaf["dtype"]))
    strides = [s * dtype.itemsize for s in leaf["strides"]]
    part = np.ndarray(tuple(leaf["shape"]), dtype, buffer=whole.data, offset=leaf["offset"] * dtype.itemsize, strides=strides)
    return np.ascontiguousarray(part).reshape(leaf["shape"])
