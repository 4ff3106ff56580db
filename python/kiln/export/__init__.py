"""Exporting: a function as a program that runs without its source.

program = kn.export(model, kn.spec(("batch", 1, 28, 28)))
program.save("model.kiln")
"""

from kiln.export.api import export, spec
from kiln.export.program import Entry, Program

__all__ = ["Entry", "Program", "export", "spec"]
