"""The cases: every module here adds some to CASES. A case is a function that takes a world and returns a Work."""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field

CASES = {}


@dataclass
class Work:
    """What is timed, and what of the machine it needs at least."""

    call: Callable[[], object] = None
    bytes: int = 0  # that must be read and written
    reads_only: bool = False  # nearly nothing is written
    flops: int = 0
    firsts: list[Callable[[], object]] = field(default_factory=list)  # each is called once
    check: Callable[[], None] = lambda: None  # after all calls: did they do what the title says


@dataclass
class Case:
    name: str
    title: str
    make: Callable[[object], Work]  # from a world
    metrics: tuple[str, ...] = ("call",)  # of: first, firsts, call, memory
    worlds: tuple[str, ...] = ("eager", "compiled")
    trains: bool = False  # needs a world that has networks and optimisers


def case(name, title, **options):
    """Registers the function below it, which makes the Work of one world."""

    def register(make):
        CASES[name] = Case(name, title, make, **options)
        return make

    return register


for module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{module.name}")
