"""Runs one program in one mode and says how it differs from the plain run.

python -m tests.capture.run FILE [--mode segments] [--show]
"""

import argparse
import contextlib
import contextvars
import difflib
import functools
import io
import marshal
import random
import sys
import types
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

import kiln as kn
from tests.capture.describe import Describer
from tests.capture.modes import MODES, Mode, identity
from tests.capture.show import error_text

PROGRAMS = Path(__file__).parent / "programs"
PLAIN = Mode("undecorated", identity)


@dataclass(frozen=True)
class Outcome:
    """All that a run leaves: equal outcomes are runs that cannot be told apart."""

    output: str
    error: str
    state: str  # what main returned, and the module's variables
    draws: str  # the next random numbers, of kiln, random and numpy
    settings: str

    def differences(self, plain: "Outcome") -> str:
        """What is not as in the plain run, as text; empty where nothing is."""
        parts = []
        for field in fields(self):
            mine, expected = getattr(self, field.name), getattr(plain, field.name)
            if mine != expected:
                lines = difflib.unified_diff(expected.splitlines(), mine.splitlines(), "plain", "here", lineterm="", n=1)
                parts.append(f"{field.name}:\n" + "\n".join(line[:2000] for line in lines))
        return "\n".join(parts)


def run(path: Path, mode: Mode = PLAIN) -> Outcome:
    """Runs a program's main in a module of its own; what it changes of the process is put back."""
    return run_source(path.read_text(), str(path), mode)


def run_source(source: str, name: str, mode: Mode = PLAIN) -> Outcome:
    code = marshal.loads(_compiled(source, name))  # code objects of its own: some captures are kept by code
    return contextvars.copy_context().run(_run, code, name, mode)


@functools.lru_cache(maxsize=4)
def _compiled(source: str, name: str) -> bytes:
    return marshal.dumps(compile(source, name, "exec"))


def _run(code: types.CodeType, name: str, mode: Mode) -> Outcome:
    module = types.ModuleType(f"capture.{Path(name).stem}")
    module.__file__ = name
    output, error, returned = io.StringIO(), "", None
    with restored(), contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        sys.modules[module.__name__] = module
        seed()
        try:
            with mode.scope():
                exec(code, module.__dict__)
                returned = module.main(mode.jit)
        except Exception as raised:
            error = error_text(raised, name)
        draws = f"kiln {kn.random.get_state()}\nrandom {random.random()}\nnumpy {np.random.random()}"
        settings = f"grad {kn.is_grad_enabled()} dtype {kn.default_dtype()} tracing {kn.is_tracing()}"
        return Outcome(output.getvalue(), error, _state(returned, module), draws, settings)


def _state(returned: Any, module: types.ModuleType) -> str:
    describer = Describer()
    lines = [f"main gave {describer.text(returned)}"]
    for name, value in module.__dict__.items():
        imported = isinstance(value, types.ModuleType) or getattr(value, "__module__", module.__name__) != module.__name__
        if not name.startswith("__") and name != "main" and not (imported and not isinstance(value, kn.Tensor)):
            lines.append(f"{name} = {describer.text(value)}")
    return "\n".join(lines)


def seed() -> None:
    kn.manual_seed(0)
    random.seed(0)
    np.random.seed(0)


@contextlib.contextmanager
def restored() -> Iterator[None]:
    """Puts back what programs change of the process: builtins, modules, kiln's names and settings, random states, hooks."""
    namespaces = [vars(m) for m in (sys.modules["builtins"], sys.modules["math"], kn, kn.nn, kn.nn.functional, kn.random, kn.optim)]
    before = [dict(namespace) for namespace in namespaces]
    modules, path = dict(sys.modules), list(sys.path)
    state, python, numpy = kn.random.get_state(), random.getstate(), np.random.get_state()
    dtype, threads, limit = kn.default_dtype(), kn.num_threads(), sys.getrecursionlimit()
    trace = sys.gettrace()
    try:
        with warnings.catch_warnings(), kn.enable_grad():
            warnings.simplefilter("always")
            yield
    finally:
        for namespace, old in zip(namespaces, before, strict=True):
            for key in namespace.keys() - old.keys():
                del namespace[key]
            namespace.update(old)
        for key in sys.modules.keys() - modules.keys():
            if key.startswith("capture."):
                del sys.modules[key]
        sys.path[:] = path
        if sys.gettrace() is not trace:
            sys.settrace(trace)
        sys.setrecursionlimit(limit)
        kn.set_default_dtype(dtype)
        kn.set_num_threads(threads)
        kn.random.set_state(state)
        random.setstate(python)
        np.random.set_state(numpy)


def programs() -> list[Path]:
    return sorted(PROGRAMS.rglob("*.py"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path, help="programs; by default all")
    parser.add_argument("--mode", choices=MODES, action="append", help="by default every mode")
    parser.add_argument("--show", action="store_true", help="print what the plain run leaves")
    options = parser.parse_args()
    failed = 0
    for path in options.files or programs():
        plain = run(path)
        if options.show:
            print(plain.output + "".join(f"-- {f.name}\n{getattr(plain, f.name)}\n" for f in fields(plain)[1:]), end="")
        for name in options.mode or MODES:
            difference = run(path, MODES[name]).differences(plain)
            failed += bool(difference)
            if difference:
                print(f"{path}, {name}:\n{difference}\n")
    print("no difference" if not failed else f"{failed} runs differ")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
