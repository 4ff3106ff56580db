"""Files that a command writes: '-' is standard output; whole or not at all."""

import json
from typing import Any

from kiln._files import why_not_writable, write_whole
from kiln.cli import UsageError


def check(option: str, path: str | None) -> None:
    """Before the work, rather than after it."""
    if path and path != "-" and (problem := why_not_writable(path)):
        raise UsageError(f"--{option} {problem}")


def write(path: str, content: bytes) -> None:
    try:
        write_whole(path, content)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from error


def write_json(path: str, data: Any) -> None:
    text = json.dumps(data, indent=1, ensure_ascii=False) + "\n"
    if path == "-":
        print(text, end="")
    else:
        write(path, text.encode())
