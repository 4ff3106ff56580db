"""Files that are written whole or not at all."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """A file to write that takes the place of `path` at the block's end; what was there stays until then, and if the block raises."""
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with open(partial, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_whole(path: str | os.PathLike, content: bytes) -> None:
    """Replaces the file at once."""
    with replacing(path) as file:
        file.write(content)


def why_not_writable(path: str | os.PathLike) -> str | None:
    """What will keep write_whole from writing there, as far as that can be known before; None if nothing."""
    path = Path(path)
    if path.is_dir():
        return f"{path} is a folder"
    if not path.parent.is_dir():
        return f"{path}: there is no folder {path.parent}"
    if not os.access(path.parent, os.W_OK):
        return f"{path}: the folder {path.parent} may not be written to"
    return None
