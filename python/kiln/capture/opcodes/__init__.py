"""CPython's operations, as CPython 3.11 has them. A file each for what belongs together; nothing outside asks for more than the table."""

from kiln.capture.opcodes import arithmetic, building, calls, exceptions, generators, jumps, matching, variables
from kiln.capture.opcodes.table import Operation, nothing, operation_named

__all__ = ["Operation", "nothing", "operation_named"]
