"""The inputs of an entry, from .npy and .npz files and at random."""

import argparse
import os
import zipfile
import zlib
from typing import Any

import numpy as np

from kiln import _core
from kiln._core import Tensor
from kiln.cli import UsageError, programs, random_inputs
from kiln.export.program import Entry, type_text


def bound_inputs(given: argparse.Namespace, entry: Entry) -> list[Tensor]:
    """A tensor for each input, in order; `given` is what `kiln run` was called with."""
    random = random_inputs.settings(given)
    extents = {}
    for name, values in programs.sizes(given, [entry]).items():
        if len(values) != 1:
            raise UsageError(f"--dim {name}: one size, not {len(values)}")
        extents[name] = values[0]
    found = _from_files(given.input, entry)
    missing = [i for i in entry.inputs if i[0] not in found]
    if len(given.shape) > len(missing):
        raise UsageError(f"{len(given.shape)} times --shape, but {len(missing)} inputs without a file")
    for text, (name, dtype, _) in zip(given.shape, missing, strict=False):
        found[name] = random_inputs.shaped(text, random, dtype.name, given.below)
    missing = missing[len(given.shape) :]
    if missing and not (given.random or given.dim):
        wanted = ", ".join(f"{name}: {type_text(dtype, shape)}" for name, dtype, shape in missing)
        dims = "".join(f" --dim {s}=N" for s in programs.symbols_of(entry))
        raise UsageError(
            f"entry '{entry.name}' needs {wanted}: --input names a .npy or .npz file,{dims or ' --random'} gives random numbers"
        )
    _take_extents(entry, found, extents)
    for name, dtype, shape in missing:
        if unknown := [e for e in shape if isinstance(e, str) and e not in extents]:
            raise UsageError(f"input '{name}' is {type_text(dtype, shape)}: how large is {unknown[0]}? --dim {unknown[0]}=N")
        sizes = programs.shape_of(shape, extents)
        found[name] = random_inputs.tensor(sizes, dtype.name, random, f"input '{name}'", given.below)
    return [found[name] for name, _, _ in entry.inputs]


def _take_extents(entry: Entry, found: dict[str, Tensor], extents: dict[str, int]) -> None:
    """Sizes of dimensions from the tensors that are there. What does not fit is left to the entry to refuse."""
    for name, _, shape in entry.inputs:
        if name in found and len(shape) == len(found[name].shape):
            for wanted, extent in zip(shape, found[name].shape, strict=True):
                if isinstance(wanted, str):
                    extents.setdefault(wanted, extent)


def _from_files(words: list[str], entry: Entry) -> dict[str, Tensor]:
    names = [name for name, _, _ in entry.inputs]
    found: dict[str, Tensor] = {}
    unnamed = []
    for word in words:
        name, equals, path = word.partition("=")
        if equals and name in names:
            content = _read(path)
            if isinstance(content, dict):
                raise UsageError(f"{word}: an .npz file names its arrays itself; write {path}")
            _add(found, name, content, path, entry)
        elif equals and not os.path.exists(word):
            raise UsageError(
                f"{word}: there is no file of this name, and '{entry.name}' has no input '{name}'; it has {', '.join(names) or 'none'}"
            )
        elif isinstance(content := _read(word), dict):
            for key, array in content.items():
                if key not in names:
                    raise UsageError(
                        f"{word} holds an array '{key}', which is no input of '{entry.name}'; it has {', '.join(names) or 'none'}"
                    )
                _add(found, key, array, word, entry)
        else:
            unnamed.append((word, content))
    free = [name for name in names if name not in found]
    if len(unnamed) > len(free):
        raise UsageError(f"{unnamed[len(free)][0]}: entry '{entry.name}' has no further input; it has {', '.join(names) or 'none'}")
    for name, (path, array) in zip(free, unnamed, strict=False):
        _add(found, name, array, path, entry)
    return found


def _add(found: dict[str, Tensor], name: str, array: np.ndarray, path: str, entry: Entry) -> None:
    if name in found:
        raise UsageError(f"input '{name}' is given twice")
    dtype, shape = next((dtype, shape) for other, dtype, shape in entry.inputs if other == name)
    if array.dtype.newbyteorder("=") != np.dtype(dtype.name):
        raise UsageError(
            f"{path}: input '{name}' is {type_text(dtype, shape)}, and this array is {array.dtype.name}{array.shape};"
            f" numpy.save(FILE, array.astype('{dtype.name}')) converts it"
        )
    found[name] = _core.asarray(array.astype(dtype.name, order="C"))


def _read(path: str) -> Any:
    """An array, or a dict of them. Nothing is unpickled."""
    try:
        content = np.load(path, allow_pickle=False)
        if isinstance(content, np.ndarray):
            return content
        with content:
            return {key: content[key] for key in content.files}
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, EOFError, KeyError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise UsageError(f"{path} is no array that numpy.save or numpy.savez wrote: {_why(error)}") from error


def _why(error: BaseException) -> str:
    if "pickle" in str(error):  # NumPy takes any other file for one and says how to unpickle it
        return "it has another format, or holds Python objects"
    return str(error).partition("\n")[0]
