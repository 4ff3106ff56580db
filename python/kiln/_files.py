"""Files that are written whole or not at all."""

import os
from pathlib import Path


def write_whole(path: str | os.PathLike, content: bytes) -> None:
    """Replaces the file at once; one that was there stays until then, and for good if writing fails."""
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(content)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


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
