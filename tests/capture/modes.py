"""The ways to run a program. One line here is one more run of every program and of the generator's."""

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import kiln as kn


@dataclass(frozen=True)
class Mode:
    """What a program gets as `jit`, and the scope that its main runs in."""

    doc: str
    jit: Callable
    scope: Callable[[], AbstractContextManager] = nullcontext


def identity(function: Callable | None = None, **options: Any) -> Callable:
    """jit for whom nothing is captured: what every other mode is compared with."""
    return (lambda f: f) if function is None else function


MODES = {
    "identity": Mode("undecorated; a second run, which shows that the program itself repeats", identity),
    "segments": Mode("kn.jit(mode='segments'): Python as written, operators deferred", functools.partial(kn.jit, mode="segments")),
    "replay": Mode("kn.jit: recorded at the second call, and run without Python where the recording fits", kn.jit),
}
