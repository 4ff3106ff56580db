"""Every operator of the core's table, under its name and its aliases. `python -m kiln.reference` writes the stub of this module."""

import inspect

from kiln._core import Operator, operators


def signature(op: Operator) -> inspect.Signature:
    """What inspect.signature(kiln.add) gives."""
    return inspect.Signature(
        inspect.Parameter(
            p["name"],
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=inspect.Parameter.empty if p["required"] else p["default"],
        )
        for p in op.parameters
    )


Operator.__signature__ = property(signature)
globals().update(operators)
__all__ = sorted(operators)
