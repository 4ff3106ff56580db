"""kiln.onnx: programs as ONNX models. `program.to_onnx(path)` is how it is used; docs/onnx.md says what becomes what.

convert.py     a procedure's calls, in order; writes as values
table.py       which operator becomes what: from the definitions' `onnx`, and from the modules of families below
pointwise.py functions.py arithmetic.py movement.py positions.py reductions.py contractions.py windows.py losses.py creation.py
randomness.py
graph.py dims.py call.py    what converters write with
file.py        the package onnx's objects, the checker, the file
"""

import os
from typing import Any

from kiln._files import write_whole
from kiln.onnx import (
    arithmetic,
    contractions,
    creation,
    functions,
    losses,
    movement,
    pointwise,
    positions,
    randomness,
    reductions,
    windows,
)
from kiln.onnx.call import Unsupported
from kiln.onnx.convert import Converter
from kiln.onnx.file import model_of, require_onnx

OPSETS = range(17, 24)
DEFAULT_OPSET = 20


def model(program: Any, opset: int = DEFAULT_OPSET, entry: str | None = None) -> Any:
    """The onnx.ModelProto of one entry of a program.

    NotImplementedError names the operator, the line and a remedy where ONNX has no equivalent, and where the function changes an input or
    its state; ValueError is for an opset outside of OPSETS and for an entry that is not there.
    """
    require_onnx()
    if isinstance(opset, bool) or not isinstance(opset, int):
        raise TypeError(f"to_onnx: opset is an int, not {type(opset).__name__}")
    if opset not in OPSETS:
        raise ValueError(f"to_onnx: opset {opset}; this Kiln writes {OPSETS.start} to {OPSETS.stop - 1}")
    names = ", ".join(repr(name) for name in program.entries)
    if entry is None:
        if len(program.entries) != 1:
            raise ValueError(f"to_onnx: an ONNX model has one entry point, this program has {names}; say which: entry=...")
        (entry,) = program.entries
    if entry not in program.entries:
        raise ValueError(f"to_onnx: no entry {entry!r}; this program has {names}")
    return model_of(Converter(program.entries[entry], program.state, opset).graph, entry)


def to_onnx(program: Any, path: str | os.PathLike, opset: int = DEFAULT_OPSET, entry: str | None = None) -> None:
    """Writes one entry of a program to `path`, checked by onnx.checker. An old file stays until the new one is whole."""
    write_whole(path, model(program, opset, entry).SerializeToString())
