"""kiln.save and kiln.load: named tensors in a file that holds nothing but numbers (NumPy's .npz, never unpickled)."""

import os
from pathlib import Path

import numpy as np

from kiln import _core
from kiln._core import Tensor


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


def load(path: str | os.PathLike) -> dict[str, Tensor]:
    """The tensors that save() wrote. OSError if the file is missing, ValueError if it is not such a file."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            if not hasattr(archive, "files"):
                raise ValueError("it holds one array, not named ones")
            return {name: _core.asarray(archive[name]) for name in archive.files}
    except (ValueError, EOFError, KeyError) as error:
        raise ValueError(f"{path} is not a file of kiln.save: {error}") from error
    except Exception as error:
        if type(error).__name__ == "BadZipFile":
            raise ValueError(f"{path} is not a file of kiln.save: {error}") from error
        raise
