"""kiln.save and kiln.load: named tensors in a file of numbers alone (NumPy's .npz, never unpickled), and exported programs."""

import os
import zipfile
from pathlib import Path

import numpy as np

from kiln import _core
from kiln._core import Tensor
from kiln._files import replacing
from kiln.export import Program

_FIRST_MEMBER = b"manifest.json"  # of a program's file, which is a ZIP archive; its name stands behind a header of 30 bytes


def save(weights: dict[str, Tensor], path: str | os.PathLike) -> None:
    """Writes a dict of tensors, such as module.state_dict(), to `path`. The file is there whole or not at all."""
    for name, value in weights.items():
        if not isinstance(value, Tensor):
            raise TypeError(f"save: '{name}' must be a tensor, not {type(value).__name__}")
        if value.dtype is _core.bfloat16:
            raise TypeError(
                f"save: '{name}' is bfloat16, which NumPy's .npz files have not: save x.astype(kiln.float32), or export a program"
            )
    with replacing(path) as file:
        np.savez(file, **{name: value.detach().numpy() for name, value in weights.items()})


def load(path: str | os.PathLike) -> dict[str, Tensor] | Program:
    """The tensors that save() wrote, or the program that Program.save() wrote.

    OSError if the file is missing, or a program's file that is cut short or damaged; ValueError if it is neither, or was made by a
    newer Kiln. Nothing in a file is executed.
    """
    if _holds_a_program(path):
        return Program(_core.Program.load(os.fspath(path)))
    if not zipfile.is_zipfile(path):  # or NumPy would recommend unpickling it
        raise ValueError(f"{path} is not a file of kiln.save, nor a program's: it is no ZIP archive, or a damaged one")
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: _core.asarray(archive[name]) for name in archive.files}
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is not a file of kiln.save: {error}") from error


def _holds_a_program(path: str | os.PathLike) -> bool:
    with open(path, "rb") as file:
        start = file.read(30 + len(_FIRST_MEMBER))
    return Path(path).suffix == ".kiln" or start[30:] == _FIRST_MEMBER
