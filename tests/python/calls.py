"""Calls of every operator, made from the samples in its definition. The table of operators is the only list there is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

import kiln as kn
from kiln import _core

OPERATORS = {op.__name__: op for op in _core.operators.values()}
DTYPES = ("bool", "uint8", "int32", "int64", "float32", "float64")
FURTHER_DTYPES = ("int8", "int16", "uint16", "uint32", "uint64")  # computed by the same code: tested in fewer places
COMPLEX_DTYPES = ("complex64", "complex128")  # likewise, and by operators that take them
OPERAND_KINDS = ("tensor", "optional_tensor", "tensors")


@dataclass
class Call:
    """One call: arguments by parameter name, NumPy arrays where Kiln gets tensors."""

    op: Any
    name: str
    arguments: dict[str, Any] = field(default_factory=dict)

    def kiln(self):
        return self.op(**{name: _to_kiln(value) for name, value in self.arguments.items()})

    def numpy(self):
        names = {p["name"]: p["default"] for p in self.op.parameters}
        names |= self.arguments
        names = {k: np.dtype(v.name) if isinstance(v, kn.dtype) else v for k, v in names.items()}
        with np.errstate(all="ignore"):
            return eval(self.op.reference, {"numpy": np, "np": np, **names})


def _to_kiln(value):
    if isinstance(value, np.ndarray):
        return kn.asarray(value)
    if isinstance(value, list) and value and isinstance(value[0], np.ndarray):
        return [kn.asarray(v) for v in value]
    return value


def _fill(record: dict, dtype: str, random: np.random.Generator) -> np.ndarray:
    shape = record["shape"]
    if record["values"] is None:
        values = random.uniform(record["low"], record["high"], shape)
    else:
        values = np.array(record["values"], np.float64).reshape(shape)
    if dtype == "bool":
        return np.asarray(values) > 0
    if dtype.startswith("complex"):
        made = np.empty(shape, np.complex128)
        made.real = values
        made.imag = random.uniform(record["low"], record["high"], shape) if record["values"] is None else np.roll(values, 1)
        with np.errstate(over="ignore"):
            return made.astype(dtype)
    if dtype.startswith("float"):
        with np.errstate(over="ignore"):
            return np.asarray(values).astype(dtype)
    limits = np.iinfo(dtype)
    values = np.nan_to_num(np.floor(values), nan=0.0)  # random integers are in [low, high)
    clipped = np.clip(values, limits.min, float(limits.max) if limits.bits < 64 else np.nextafter(float(limits.max), 0))
    return clipped.astype(dtype)


def _call(op, i: int, sample, dtype: str) -> Call | None:
    random = np.random.default_rng(i)
    operands, attrs = sample
    operand_parameters = [p for p in op.parameters if p["kind"] in OPERAND_KINDS]
    attr_parameters = [p for p in op.parameters if p["kind"] not in OPERAND_KINDS]
    arguments: dict[str, Any] = {}
    listed = operand_parameters and operand_parameters[0]["kind"] == "tensors"
    values, used = [], False
    for k, operand in enumerate(operands):
        parameter = operand_parameters[0 if listed else k]
        if not isinstance(operand, dict):
            values.append(operand)
            continue
        own = operand["dtype"].name if operand["dtype"] else None
        accepted = own or (dtype if dtype in parameter["accepts"] else parameter["accepts"][0])
        used = used or (own is None and accepted == dtype)
        values.append(_fill(operand, accepted, random))
    if operands and not used and dtype != "float32":
        return None  # nothing in this call has the dtype: float32's turn has covered it
    if listed:
        arguments[operand_parameters[0]["name"]] = values
    else:
        arguments |= {p["name"]: v for p, v in zip(operand_parameters, values, strict=False)}
    arguments |= {p["name"]: v for p, v in zip(attr_parameters, attrs, strict=False)}
    return Call(op, f"{op.__name__}-{i}-{dtype}", arguments)


def calls(dtypes=DTYPES) -> list[Call]:
    """Every operator's samples in every dtype they take."""
    made = [
        _call(op, i, sample, dtype)
        for op in OPERATORS.values()
        for i, sample in enumerate(op.samples)
        for dtype in (dtypes if sample[0] else dtypes[:1])
    ]
    return [call for call in made if call is not None]
