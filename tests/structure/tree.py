"""The source tree and its build folder, as the structure tests see them."""

import json
import os
import shlex
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("KILN_BUILD", ROOT / "build"))
CHAIN = ("codegen", "eager", "tracer", "jit")  # from left to right
FRONTS = ("cpp", "python")  # to the right of the chain; neither knows the other
ROOMS = CHAIN + FRONTS


def may_include(room: str) -> tuple[str, ...]:
    """The rooms whose headers the room may include, its own among them."""
    return (*CHAIN, room) if room in FRONTS else CHAIN[: CHAIN.index(room) + 1]


@cache
def files() -> tuple[Path, ...]:
    """Every source file, relative to ROOT: tracked or new, not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return tuple(sorted(path for name in listed.split("\0") if name and (ROOT / (path := Path(name))).is_file()))


def sources(*suffixes: str) -> list[Path]:
    return [path for path in files() if path.suffix in suffixes]


@cache
def compile_command(room: str) -> tuple[str, ...]:
    """Compiler and flags with which the build compiles the room, without input, output, PCH and ccache."""
    for entry in json.loads((BUILD / "compile_commands.json").read_text()):
        path = Path(entry["file"])
        if path.is_relative_to(ROOT / room) and not any(path.is_relative_to(ROOT / other) for other in ("codegen/llvm", "cpp/generate")):
            break
    else:
        raise LookupError(f"{BUILD}/compile_commands.json has no source of {room}/")
    words = iter(shlex.split(entry["command"]))
    kept = []
    for word in words:
        if word in ("-o", "-c", "-include"):
            next(words)
        elif word != "-Winvalid-pch":
            kept.append(word)
    compiler = next(i for i, word in enumerate(kept) if Path(word).name.startswith(("c++", "g++", "clang++")))
    return tuple(kept[compiler:])


def try_compile(room: str, source: str) -> subprocess.CompletedProcess:
    """Compiles text as if it were a source file of the room."""
    return subprocess.run(
        [*compile_command(room), "-fsyntax-only", "-x", "c++", "-"],
        input=source,
        cwd=BUILD,
        capture_output=True,
        text=True,
    )
