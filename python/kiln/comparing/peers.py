"""Starts other libraries, each form of each in a process of its own, and takes their figures.

A job is a folder: job.json, the arguments' arrays as .npy files (never pickled), and what comes back: result.json, result_N.npy.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from kiln import _core
from kiln._core import Tensor
from kiln.comparing.rows import Row

TIMEOUT = 600  # seconds for one process: a cold torch.compile takes tens of them


class Peers:
    """The function and its arguments, laid out for other processes; a context manager that removes its files."""

    def __init__(self, f: Callable, args: tuple, python: str | Mapping[str, str] | None, seconds: float, repeat: int) -> None:
        self._python = python
        self._folder = tempfile.TemporaryDirectory(prefix="kiln-compare-")
        self._problem: str | None = None
        self._job: dict = {"seconds": seconds, "repeat": repeat, "threads": _core.num_threads()}
        try:
            self._job |= _located(f)
            self._arrays = 0
            self._job["arguments"] = [self._laid_out(arg, f"argument {i}") for i, arg in enumerate(args)]
        except _NotForPeers as problem:
            self._problem = str(problem)

    def __enter__(self) -> "Peers":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._folder.cleanup()

    def run(self, peer: str, form: str) -> tuple[Row, list[np.ndarray] | None]:
        """The row of one form, and its results; without them where the row has an error."""
        row = Row(peer, form)
        if self._problem:
            row.error = self._problem
            return row, None
        folder = Path(self._folder.name)
        result = folder / "result.json"
        result.unlink(missing_ok=True)
        (folder / "job.json").write_text(json.dumps(self._job | {"peer": peer, "form": form}))
        problem = _finished(self._python_of(peer), folder)
        try:
            record = json.loads(result.read_text())
        except (OSError, ValueError):
            row.error = problem or "the process ended without a result"
            return row, None
        count = record.pop("results", 0)
        vars(row).update({key: value for key, value in record.items() if key in vars(row)})
        if row.error:
            return row, None
        return row, [np.load(folder / f"result_{i}.npy", allow_pickle=False) for i in range(count)]

    def _python_of(self, peer: str) -> str:
        python = self._python.get(peer) if isinstance(self._python, Mapping) else self._python
        return python or sys.executable

    def _laid_out(self, x: Any, place: str) -> dict:
        if isinstance(x, (Tensor, np.ndarray)):
            array = x.detach().numpy() if isinstance(x, Tensor) else x
            if array.dtype.hasobject:
                raise _NotForPeers(f"{place} is an array of Python objects")
            np.save(Path(self._folder.name, f"{self._arrays}.npy"), array, allow_pickle=False)
            self._arrays += 1
            needs_grad = isinstance(x, Tensor) and x.requires_grad
            return {"kind": "array", "file": f"{self._arrays - 1}.npy", "requires_grad": needs_grad}
        if type(x) in (tuple, list):
            return {"kind": type(x).__name__, "items": [self._laid_out(item, place) for item in x]}
        if type(x) is dict and all(isinstance(key, str) for key in x):
            return {"kind": "dict", "items": {key: self._laid_out(item, place) for key, item in x.items()}}
        if x is None or type(x) in (bool, int, float, str):
            return {"kind": "value", "value": x}
        raise _NotForPeers(
            f"{place} is a {type(x).__name__}; peers take tensors, arrays, numbers, strings, and nested lists and dicts of them"
        )


class _NotForPeers(Exception):
    """Why a function or its arguments cannot go to another process."""


def _located(f: Callable) -> dict:
    """Where another process finds the function."""
    name, module = getattr(f, "__qualname__", None), sys.modules.get(getattr(f, "__module__", None) or "")
    if name is None or "<" in name:
        raise _NotForPeers("peers run a function that stands at the top of a module, no lambda, local function or object")
    file = getattr(module, "__file__", None)
    if file is None:
        raise _NotForPeers(f"peers import the function, and {name} is not in a file")
    spec = getattr(module, "__spec__", None)
    dotted = spec.name if spec is not None and "." in spec.name and module.__name__ != "__main__" else None
    root = Path(file).resolve().parent
    for _ in range(len(dotted.split(".")) - 1 if dotted else 0):
        root = root.parent
    if dotted and Path(file).name == "__init__.py":
        root = root.parent
    return {"module": dotted, "file": str(Path(file).resolve()), "search": str(root), "function": name}


def _finished(python: str, folder: Path) -> str | None:
    """Runs the worker; None, or how it ended badly. Whatever it started ends with it."""
    command = [python, str(Path(__file__).with_name("peer.py")), str(folder)]
    # The peer's own packages, not the ones of this interpreter.
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    # Empty caches, as Kiln's are: what torch.compile made in another process would make its first call look quick.
    environment |= {"PYTHONWARNINGS": "ignore", "TORCHINDUCTOR_CACHE_DIR": str(folder / "inductor")}
    errors = folder / "errors.txt"
    with open(errors, "wb") as log:
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, env=environment, start_new_session=True
            )
        except OSError as error:
            return f"cannot run {python}: {error.strerror}"
        try:
            code = process.wait(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            return f"took over {TIMEOUT} s"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if code == 0:
        return None
    last = errors.read_text(errors="replace").strip().splitlines()[-1:]
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit status {code}"
    return f"the process {how}" + (f": {last[0]}" if last else "")
