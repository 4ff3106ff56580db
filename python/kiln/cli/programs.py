"""Arguments that name a program's file, one of its entries, and sizes of its dimensions."""

import argparse
from collections.abc import Iterable
from typing import Any

from kiln import _core
from kiln.cli import UsageError
from kiln.export.program import Entry, Program

_ZIP = b"PK\x03\x04"


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("program", metavar="m.kiln", help="a file that program.save() wrote")


def add_dims(parser: argparse.ArgumentParser, metavar: str, help: str) -> None:
    parser.add_argument("--dim", action="append", default=[], metavar=metavar, help=help)
    parser.add_argument("--below", type=int, default=10, metavar="N", help="random integers are from 0 to N - 1 (default: 10)")


def loaded(path: str) -> Program:
    """The program, every byte of its file checked."""
    try:
        return Program(_core.Program.load(path))
    except OSError as error:
        if _is_another_zip(path):
            raise UsageError(
                f"{path} is a zip file, but not one of a program; kiln.save writes named tensors, program.save() programs"
            ) from None
        raise UsageError(str(error)) from error
    except ValueError as error:  # of a newer Kiln, or made up
        raise UsageError(str(error)) from error


def _is_another_zip(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            start = file.read(43)
    except OSError:
        return False
    return start.startswith(_ZIP) and not start.endswith(b"manifest.json")


def entry_of(program: Program, name: str | None) -> Entry:
    if name is None and len(program.entries) == 1:
        return next(iter(program.entries.values()))
    if name is None:
        raise UsageError(f"the program has several entries: name one with --entry, of {', '.join(program.entries)}")
    if name not in program.entries:
        raise UsageError(f"the program has no entry '{name}'; it has {', '.join(program.entries)}")
    return program.entries[name]


def symbols_of(entry: Entry) -> list[str]:
    """Names of the extents that may vary."""
    return list(dict.fromkeys(e for _, _, shape in entry.inputs for e in shape if isinstance(e, str)))


def sizes(given: argparse.Namespace, entries: Iterable[Entry]) -> dict[str, list[int]]:
    """What --dim says, batch=7 or batch=1,7,64; every name must be one of an entry's."""
    known = list(dict.fromkeys(symbol for entry in entries for symbol in symbols_of(entry)))
    found: dict[str, list[int]] = {}
    for text in given.dim:
        name, equals, numbers = text.partition("=")
        parts = numbers.split(",")
        if not equals or not all(p.isascii() and p.isdigit() and len(p) <= 12 for p in parts):
            raise UsageError(f"--dim {text}: write NAME=N, such as batch=7")
        if name not in known:
            raise UsageError(f"--dim {text}: there is no dimension '{name}'; {_there_is(known)}")
        found[name] = [int(p) for p in parts]
    if not 1 <= given.below <= 2**31:
        raise UsageError("--below must be from 1 to 2**31")
    return found


def _there_is(names: list[str]) -> str:
    return f"there is {', '.join(names)}" if names else "all extents are numbers"


def refused(entry: Entry, error: BaseException) -> UsageError:
    return UsageError(f"entry '{entry.name}' raised {type(error).__name__}: {error}")


def shape_of(shape: tuple[Any, ...], extents: dict[str, int]) -> tuple[int, ...]:
    return tuple(extents[e] if isinstance(e, str) else e for e in shape)
