"""Arguments that name a function and its inputs."""

import argparse
import difflib
import importlib
import importlib.util
import inspect
import math
import os
import re
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import kiln
from kiln.cli import UsageError

DTYPES = {"float32": np.float32, "float64": np.float64, "int32": np.int32, "int64": np.int64, "uint8": np.uint8, "bool": np.bool_}

HELP = """the function:
  module:function     a module that can be imported from here, or
  file.py:function    a file; what it imports is looked for in its folder first

its inputs, the first of these that is there:
  --shape             random tensors, one for each --shape, in order
  function_inputs()   a function of the module, called `softmax_inputs` for `softmax`, that returns them as a tuple
  example_inputs()    the same, for all functions of the module
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("function", metavar="module:function", help="what to run; see above")
    parser.add_argument(
        "--shape",
        action="append",
        default=[],
        metavar="SHAPE[:DTYPE]",
        help="an input of random numbers, such as 4096x1024:float32, 10, or scalar:float64; floats are standard normal, integers 0 to 9"
        f" (DTYPE: {', '.join(DTYPES)}; default float32). Once for each input",
    )
    parser.add_argument("--seed", type=int, default=0, help="of --shape's numbers and of Kiln's own (default: 0)")
    parser.add_argument("--threads", type=_positive, help="threads to run on (default: all CPUs of the process)")


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 1024:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number from 1 to 1024")
    return int(text)


def chosen(given: argparse.Namespace) -> tuple[Callable, tuple]:
    """The function and its inputs."""
    if not 0 <= given.seed < 2**63:
        raise UsageError("--seed must be from 0 to 2**63 - 1")
    if given.threads:
        kiln.set_num_threads(given.threads)
    kiln.manual_seed(given.seed)
    random = np.random.default_rng(given.seed)
    shaped = tuple(_random_input(text, random) for text in given.shape)  # first: a typing error is told at once
    module, function = _function(given.function)
    return function, shaped or _inputs(module, function, given.function)


def _function(text: str) -> tuple[ModuleType, Callable]:
    where, colon, name = text.rpartition(":")
    if not colon or not where or not name:
        raise UsageError(f"'{text}' names no function; write module:function or file.py:function")
    module = _imported(where)
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            raise UsageError(f"{where} has no function '{name}'{_instead(name, module)}")
        found = getattr(found, part)
    if not callable(found):
        raise UsageError(f"{where}:{name} is no function but {type(found).__name__}")
    return module, found


def _instead(name: str, module: ModuleType) -> str:
    own = [n for n, x in vars(module).items() if inspect.isroutine(x) and getattr(x, "__module__", "") == module.__name__]
    own = [n for n in own if not n.startswith("_")]
    near = difflib.get_close_matches(name, own, 1)
    return f"; did you mean '{near[0]}'?" if near else f"; there is {', '.join(own[:10])}" if own else ""


def _imported(where: str) -> ModuleType:
    path = Path(where)
    is_file = where.endswith(".py")
    if is_file and not path.is_file():
        raise UsageError(f"there is no file {where}")
    sys.path.insert(0, str(path.resolve().parent) if is_file else os.getcwd())
    try:
        if not is_file:
            return importlib.import_module(where)
        name = path.stem if path.stem not in sys.modules else f"kiln_user_{path.stem}"
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        return module
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and error.name and (where == error.name or where.startswith(error.name + ".")):
            raise UsageError(f"there is no module '{error.name}' here ({os.getcwd()}) or installed; a file is named with its .py") from None
        raise UsageError(f"importing {where} failed: {told(error)}") from error


def _inputs(module: ModuleType, function: Callable, text: str) -> tuple:
    for name in (f"{getattr(function, '__name__', '')}_inputs", "example_inputs"):
        make = getattr(module, name, None)
        if make is None:
            continue
        try:
            made = make()
        except Exception as error:
            raise UsageError(f"{name}() failed: {told(error)}") from error
        return tuple(made) if isinstance(made, (tuple, list)) else (made,)
    try:
        parameters = inspect.signature(function).parameters.values()
        needs = [p.name for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    except (TypeError, ValueError):
        needs = []
    if needs:
        raise UsageError(
            f"{text} takes {', '.join(needs)}: give one --shape for each, such as --shape 4096x1024:float32,"
            f" or define {function.__name__}_inputs() or example_inputs() in the module"
        )
    return ()


def _random_input(text: str, random: np.random.Generator) -> kiln.Tensor:
    shape_text, _, dtype = text.partition(":")
    dtype = dtype or "float32"
    if not re.fullmatch(r"scalar|[0-9]{1,18}(x[0-9]{1,18})*", shape_text, re.ASCII):
        raise UsageError(f"--shape {text}: a shape is numbers with x between them, such as 4096x1024, or scalar")
    if dtype not in DTYPES:
        raise UsageError(f"--shape {text}: no such dtype as '{dtype}'; there is {', '.join(DTYPES)}")
    shape = () if shape_text == "scalar" else tuple(int(n) for n in shape_text.split("x"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if math.prod(shape) * 8 > memory:  # random numbers are drawn in 64 bits
        raise UsageError(f"--shape {text}: {math.prod(shape)} elements are more than this machine's {memory / 1e9:.0f} GB of memory hold")
    try:
        if dtype.startswith("float"):
            return kiln.asarray(random.standard_normal(shape).astype(DTYPES[dtype]))
        return kiln.asarray(random.integers(0, 2 if dtype == "bool" else 10, shape).astype(DTYPES[dtype]))
    except (ValueError, MemoryError) as error:
        raise UsageError(f"--shape {text}: {error}") from error


def told(error: BaseException) -> str:
    """An exception in one line, with the place in the user's code."""
    package = str(Path(kiln.__file__).parent)
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith((package, "<frozen"))]
    where = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {str(error).strip() or 'no message'}{where}"
