"""How long the recordings of a function may take, so that nobody waits for them.

A recording takes some microseconds for each byte code, a hundred times what Python takes. One that takes long, of a loop that is
unrolled, is given up: the call runs in Python, and the function is recorded again when that has become a small share of the time since
it was first recorded. It may take twice as long then.
"""

from __future__ import annotations

import time

from kiln.capture.values import Again

FIRST = 20.0  # milliseconds, of the processor's time
CALLS = 24  # that go by before another try, and half as many again before each after it
SHARE = 0.03
LOOKS = 64  # steps between looks at the clock


class TooLong(Again):
    """The recording takes longer than it may."""


class Patience:
    """Of one function."""

    def __init__(self) -> None:
        self.begun = 0.0  # when its first recording did
        self.milliseconds = FIRST  # that a recording may take
        self.calls = CALLS
        self.waits = False  # since one took too long

    def is_over(self) -> bool:
        """Is it too early for another recording?"""
        if not self.begun:
            self.begun = time.perf_counter()
        return self.waits and SHARE * (time.perf_counter() - self.begun) * 1e3 < 2 * self.milliseconds

    def timer(self) -> Timer:
        if self.waits:
            self.milliseconds *= 2
            self.waits = False
        return Timer(self.milliseconds)

    def wait(self) -> int:
        """How many calls go by before this is asked again."""
        calls, self.calls = self.calls, self.calls * 3 // 2
        self.waits = True
        return calls


class Timer:
    """Of one recording."""

    def __init__(self, milliseconds: float) -> None:
        self.milliseconds = milliseconds
        self.end = time.thread_time() + milliseconds / 1e3
        self.steps = 0

    def step(self) -> None:
        """Something was done that may be done again and again: an instruction, a call, a jump backward."""
        self.steps += 1
        if self.steps % LOOKS == 0 and time.thread_time() > self.end:
            raise TooLong(f"it takes longer than {self.milliseconds:.0f} ms to record")

    def leave_out(self, seconds: float) -> None:
        """The program's own time, not the recording's."""
        self.end += seconds


class Endless(Timer):
    """Of a function that has to replay."""

    def __init__(self) -> None:
        super().__init__(0.0)

    def step(self) -> None:
        pass
