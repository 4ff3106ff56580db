"""Functions that run on tensors without values, under a recorder of the core's (tracer/valueless_recorder.h)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def run_recorded(what: str, recorder: Any, call: Callable[[], Any]) -> Any:
    """The call's result. What could not be recorded is a RuntimeError that begins with `what`, also if the call caught it."""
    recorder.start()
    try:
        result = call()
    except Exception as error:
        if recorder.failure:
            raise RuntimeError(f"{what}: {recorder.failure}") from error
        raise
    finally:
        recorder.stop()
    if recorder.failure:
        raise RuntimeError(f"{what}: {recorder.failure}")
    return result
