"""kiln.auto: hot code that nobody decorated runs fused, in every thread of the process."""

from kiln import _core
from kiln.explain import Explanation


class Scope:
    """What kn.auto() gives: as a context manager, it puts back at its end what was set before."""

    def __init__(self, before: bool) -> None:
        self._before = before

    def __enter__(self) -> "Scope":
        return self

    def __exit__(self, *_: object) -> None:
        _core.set_auto(self._before)

    def __repr__(self) -> str:
        return f"<kiln.auto, {'on' if _core.auto_is_on() else 'off'}>"


class Auto:
    """kn.auto() from here on, kn.auto(False) no longer, `with kn.auto():` for a while. kn.auto.explain() says what it did.

    The operators of hot loops, found by the places in the program that call them, are put off and run fused: where the loop comes round,
    where something needs a value, and after 100 microseconds, 512 operators or 256 MiB of results. A loop that does not gain by it (it is
    timed before and after) runs as before. Values, exceptions, mutations and random draws stay as they are; nothing is done where a
    debugger or `sys.settrace` watches.

    It holds for all threads of the process, also for those that start later: where a program is fast should not hang on which thread
    was asked. Functions that kn.jit decorates are captured as ever.
    """

    def __call__(self, on: bool = True) -> Scope:
        if not isinstance(on, bool):
            raise TypeError(f"kn.auto takes True or False, not {type(on).__name__}; to capture a function, use kn.jit")
        before = _core.auto_is_on()
        _core.set_auto(on)
        return Scope(before)

    def explain(self) -> Explanation:
        """Prints which programs ran, and why they ended where they did."""
        explanation = Explanation(_core.auto_records())
        print(explanation)
        return explanation

    def __repr__(self) -> str:
        return "kiln.auto"


auto = Auto()
if _core.tunable("auto"):
    auto()
