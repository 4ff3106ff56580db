"""'%s' % values: what the conversions ask of objects."""

from __future__ import annotations

import re
from typing import Any

from kiln.capture import containers
from kiln.capture.values import NotReplayable, is_constant

# The documentation of the string operator %: an optional key, flags, width, precision, length, and the conversion.
_CONVERSION = re.compile(r"%(?P<key>\([^)]*\))?(?P<middle>[#0\- +]*(?:\d+|\*)?(?:\.(?:\d+|\*))?[hlL]?)(?P<kind>.)", re.DOTALL)
_ASKS = {"s": str, "r": repr, "a": ascii}


def percent(machine: Any, text: str, values: Any) -> str:
    """text % values, with at least one value that is no constant: str, repr or ascii of it is formatted in its stead."""
    rec = machine.rec
    found = [m for m in _CONVERSION.finditer(text) if m["kind"] != "%"]
    if any("*" in m["middle"] for m in found):
        raise NotReplayable("it formats with a width that is a value")
    named = [m for m in found if m["key"]]
    if named and len(named) == len(found) and isinstance(values, dict):
        held = {m["key"][1:-1]: containers.get_item(machine, values, m["key"][1:-1]) for m in found}
        kinds = {m["key"][1:-1]: m["kind"] for m in found}
        if len(kinds) < len(found):
            raise NotReplayable("it formats one value twice with %")
        given: Any = {k: _asked(machine, v, kinds[k]) for k, v in held.items()}
    else:
        items = tuple(containers.iterate(machine, values)) if isinstance(values, tuple) else (values,)
        if named or len(items) != len(found):
            raise NotReplayable("it formats objects with %, and their number is not the format's")
        given = tuple(_asked(machine, v, m["kind"]) for v, m in zip(items, found, strict=True))
    plain = _CONVERSION.sub(lambda m: m[0] if m["kind"] not in _ASKS else f"%{m['key'] or ''}{m['middle']}s", text)
    result = containers.pure_result(lambda: plain % given)
    return rec.pin(result)


def _asked(machine: Any, value: Any, kind: str) -> Any:
    rec = machine.rec
    if kind in _ASKS:
        return rec.pin(machine.call(_ASKS[kind], (value,)))
    value = rec.pin(value)
    if not is_constant(value):
        raise NotReplayable(f"it formats a {type(value).__name__} with %{kind}")
    return value
