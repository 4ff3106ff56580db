"""What programs print with: values by their exact bits, exceptions by what a user sees of them."""

import sys
import traceback
from collections.abc import Callable
from typing import Any

from tests.capture.describe import text_of


def show(*values: Any) -> None:
    """Prints values so that any difference shows: tensors and floats by bits, containers with the exact types of what is in them."""
    print(*(text_of(value) for value in values))


def attempt(function: Callable, *args: Any, **kwargs: Any) -> Any:
    """Calls the function and shows what it gives, or its exception: type, message, causes, the program's own lines."""
    try:
        result = function(*args, **kwargs)
    except Exception as error:
        program = sys._getframe(1).f_code.co_filename
        show_error(error, program)
        return None
    show(result)
    return result


def show_error(error: BaseException | None, program: str) -> None:
    print(error_text(error, program))


def error_text(error: BaseException, program: str) -> str:
    """One exception and those before it. Frames of other files are left out: a captured function has other frames around it."""
    parts, seen = [], set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        frames = [f"{f.name}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__) if f.filename == program]
        notes = "".join(f" [{note}]" for note in getattr(error, "__notes__", ()))
        parts.append(f"{type(error).__name__}({', '.join(map(text_of, error.args))}){notes} at {' > '.join(frames)}")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return " after ".join(parts)
