"""Arguments that name a function and its inputs."""

import argparse
import difflib
import importlib
import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import kiln
from kiln.cli import UsageError, random_inputs

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
        f" (DTYPE: {', '.join(random_inputs.DTYPES)}; default float32). Once for each input",
    )
    random_inputs.add_settings(parser)


def chosen(given: argparse.Namespace) -> tuple[Callable, tuple]:
    """The function and its inputs."""
    random = random_inputs.settings(given)
    shaped = tuple(random_inputs.shaped(text, random) for text in given.shape)  # first: a typing error is told at once
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


def told(error: BaseException) -> str:
    """An exception in one line, with the place in the user's code."""
    package = str(Path(kiln.__file__).parent)
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith((package, "<frozen"))]
    where = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {str(error).strip() or 'no message'}{where}"
