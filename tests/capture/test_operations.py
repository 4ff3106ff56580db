"""Each operation of the running version's byte code that the recording interpreter has is run by some program."""

import opcode

from kiln.capture.code import decode
from kiln.capture.opcodes import nothing
from kiln.capture.opcodes.table import OPERATIONS
from tests.capture import run
from tests.capture.modes import MODES


def test_every_operation_is_run_by_some_program(monkeypatch):
    ran = set()

    def noting(name, operation):
        def noted(machine, frame, argument):
            ran.add(name)
            return operation(machine, frame, argument)

        return noted

    in_this_version = {name for name, number in opcode.opmap.items() if number < 256}  # others are the compiler's own
    known = {name for name, operation in OPERATIONS.items() if operation is not nothing} & in_this_version
    for name in known:
        monkeypatch.setitem(OPERATIONS, name, noting(name, OPERATIONS[name]))
    decode.cache_clear()
    try:
        for path in run.programs():
            run.run(path, MODES["replay"])
    finally:
        decode.cache_clear()
    assert known - ran == set()
