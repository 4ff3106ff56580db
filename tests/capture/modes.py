"""The ways to run a program. One line here is one more run of every program and of the generator's."""

import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import kiln as kn
from kiln import capture

capture.strict = True  # mistakes of the recorder are differences


@dataclass(frozen=True)
class Mode:
    """What a program gets as `jit`, and the scope that its main runs in."""

    doc: str
    jit: Callable
    scope: Callable[[], AbstractContextManager] = nullcontext


def identity(function: Callable | None = None, **options: Any) -> Callable:
    """jit for whom nothing is captured: what every other mode is compared with."""
    return (lambda f: f) if function is None else function


@contextmanager
def automatic(rounds: int) -> Iterator[None]:
    """kn.auto(), which watches a loop for that many rounds before it defers it; 0: from the first operator on."""
    before, kn.config.auto_rounds = kn.config.auto_rounds, rounds
    try:
        with kn.auto():
            yield
    finally:
        kn.config.auto_rounds = before


@contextmanager
def verified() -> Iterator[None]:
    before, kn.config.verify = kn.config.verify, 1
    try:
        yield
    finally:
        kn.config.verify = before


MODES = {
    "identity": Mode("undecorated; a second run, which shows that the program itself repeats", identity),
    "segments": Mode("kn.jit(mode='segments'): Python as written, operators deferred", functools.partial(kn.jit, mode="segments")),
    "replay": Mode("kn.jit: recorded at the second call, and run without Python where the recording fits", kn.jit),
    "auto": Mode("undecorated under kn.auto(): operators of hot loops deferred", identity, functools.partial(automatic, 2)),
    "all": Mode("undecorated under kn.auto(), all operators deferred, hot or not", identity, functools.partial(automatic, 0)),
    "verify": Mode("kn.jit with kn.config.verify: each call without Python is compared with Python's", kn.jit, verified),
}
