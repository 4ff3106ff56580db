"""CPython's operations, a file each for what belongs together.

Those of CPython 3.11 come first; then, for each later version, a file of what that version does otherwise, which takes the place of what
was there before. So the table that is left is the running version's.
"""

import sys

from kiln.capture.opcodes import arithmetic, building, calls, exceptions, generators, jumps, matching, variables
from kiln.capture.opcodes.table import PAIRS, Operation, nothing, operation_named

if sys.version_info >= (3, 12):
    from kiln.capture.opcodes import python312
if sys.version_info >= (3, 13):
    from kiln.capture.opcodes import python313
if sys.version_info >= (3, 14):
    from kiln.capture.opcodes import python314

KNOWN_VERSIONS = ((3, 11), (3, 12), (3, 13), (3, 14))  # in others the same names may mean something else: nothing is recorded

__all__ = ["KNOWN_VERSIONS", "PAIRS", "Operation", "nothing", "operation_named"]
