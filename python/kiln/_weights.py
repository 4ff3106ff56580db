"""kiln.save and kiln.load: named tensors in a file of numbers alone (NumPy's .npz, never unpickled), and exported programs."""

import os
from pathlib import Path

import numpy as np

from kiln import _core
from kiln._core import Tensor
from kiln.export import Program

_FIRST_MEMBER = b"manifest.json"  # of a program's file, which is a ZIP archive; its name stands behind a header of 30 bytes


def save(weights: dict[str, Tensor], path: str | os.PathLike) -> None:
    """Writes a dict of tensors, such as module.state_dict(), to `path`. The file is there whole or not at all."""
    path = Path(path)
    for name, value in weights.items():
        if not isinstance(value, Tensor):
            raise TypeError(f"save: '{name}' must be a tensor, not {type(value).__name__}")
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with open(partial, "wb") as file:
            np.savez(file, **{name: value.detach().numpy() for name, value in weights.items()})
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def load(path: str | os.PathLike) -> dict[str, Tensor] | Program:
    """The tensors that save() wrote, or the program that Program.save() wrote.

    OSError if the file is missing, or a program's file that is cut short or damaged; ValueError if it is neither, or was made by a
    newer Kiln. Nothing in a file is executed.
    """
    if _holds_a_program(path):
        return Program(_core.Program.load(os.fspath(path)))
    try:
        with np.load(path, allow_pickle=False) as archive:
            if not hasattr(archive, "files"):
                raise ValueError("it holds one array, not named ones")
            return {name: _core.asarray(archive[name]) for name in archive.files}
    except (ValueError, EOFError, KeyError) as error:
        # NumPy takes what it does not know for a pickle, and says how to run it.
        why = "it is no archive of arrays" if "pickle" in str(error) else error
        raise ValueError(f"{path} is not a file of kiln.save: {why}") from error
    except Exception as error:
        if type(error).__name__ == "BadZipFile":
            raise ValueError(f"{path} is not a file of kiln.save: {error}") from error
        raise


def _holds_a_program(path: str | os.PathLike) -> bool:
    with open(path, "rb") as file:
        start = file.read(30 + len(_FIRST_MEMBER))
    return Path(path).suffix == ".kiln" or start[30:] == _FIRST_MEMBER
