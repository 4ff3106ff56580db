"""kiln.compare: runs a function eagerly and compiled, by each tier, and beside other libraries."""

import datetime
import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from kiln import _core, _tree
from kiln._core import Tensor
from kiln.comparing import measure
from kiln.comparing.program import Program
from kiln.comparing.rows import Comparison, Row
from kiln.comparing.state import Inputs, arrays_of, bits_of, differing, largest_difference
from kiln.jit import Jitted, is_deferrable, jit

if TYPE_CHECKING:
    from kiln.comparing.peers import Peers

FORMS = {  # of the peers, eager first; namespaces.py says how each runs a function
    "torch": ("torch", "torch.compile"),
    "jax": ("jax", "jax.jit"),
    "tensorflow": ("tensorflow", "tf.function", "tf.function, XLA"),
}
TIERS = {"interpreter": "interpreter", "asmjit": "tier 1, AsmJit", "llvm": "tier 2, LLVM"}


def compare(
    f: Callable,
    *args: Any,
    repeat: int = 100,
    seconds: float = 1.0,
    interpreter: bool = False,
    peers: Iterable[str] = (),
    peer_python: str | Mapping[str, str] | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Comparison:
    """Runs f(*args) eagerly and compiled by each tier and tells times, memory, kernels, and whether all bits are equal.

    Each way gets a first call, a warm-up, and `repeat` samples or `seconds`, whichever is over first. `kn.jit` itself starts with tier 1
    and swaps in tier 2 where a kernel is hot; here each is measured by itself, from an empty cache. interpreter=True adds the reference
    back end, which is slow.

    f works on copies of its arguments. One that changes them, or modules and optimisers it can be seen to hold, has them restored before
    each call, outside of the times (see kiln.comparing.state.Inputs); other state it keeps is its own affair.

    peers: of "torch", "jax", "tensorflow". Each runs f in a process of its own, eagerly and compiled, with its namespace in place of
    Kiln's: f is a function at the top of a module and uses the array API's names, from `import kiln as kn` or from
    x.__array_namespace__(). peer_python names the interpreter that has the peers, or is a dict of one for each.
    progress(what, done, total) is called before each row.
    """
    f = _plain(f)
    chosen = _checked_peers(peers)
    inputs = Inputs(f, args)
    tiers = [tier for tier in TIERS if interpreter or tier != "interpreter"]
    problems = {tier: problem_of(tier) for tier in tiers}  # also opens what is opened once, so that no row pays for it
    total, done = 1 + len(tiers) + sum(len(forms) for forms in chosen.values()), 0

    def step(what: str) -> None:
        nonlocal done
        if progress:
            progress(what, done, total)
        done += 1

    result = Comparison(
        function=getattr(f, "__qualname__", type(f).__qualname__),
        inputs=[_described(arg) for arg in args],
        processor=_processor(),
        threads=_core.num_threads(),
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )
    try:
        step("Kiln, eager")
        eager = _Run("eager", f, inputs, seconds, repeat)
        result.repeatable = eager.repeatable
        result.rows.append(eager.row)
        for tier in tiers:
            step(f"Kiln, {TIERS[tier]}")
            if problems[tier]:
                result.rows.append(Row("kiln", TIERS[tier], _core.__version__, error=problems[tier]))
                continue
            try:
                run = _Run(TIERS[tier], jit(f, backend=tier), inputs, seconds, repeat)
            except Exception as error:
                raised = f"raised {type(error).__name__}, where eager mode did not: {error}"
                result.rows.append(Row("kiln", TIERS[tier], _core.__version__, error=raised, bits_equal_to_eager=False))
                continue
            run.compare_with(eager, result.repeatable)
            result.rows.append(run.row)
            result.programs = result.programs or run.programs
        if result.programs:
            eager.row.operators = sum(p.operators * p.runs for p in result.programs)
        result.mutates_inputs = inputs.mutated
        result.captured = bool(result.programs)
        if chosen:
            from kiln.comparing.peers import Peers  # what starts processes is imported when one is to start

            inputs.restore()
            with Peers(f, inputs.args, peer_python, seconds, repeat) as processes:
                result.rows += _peer_rows(processes, chosen, eager, step)
    finally:
        inputs.restore()
    if progress:
        progress("done", total, total)
    return result


class _Run:
    """Kiln running the function in one way."""

    def __init__(self, name: str, call: Callable, inputs: Inputs, seconds: float, repeat: int) -> None:
        self.row = row = Row("kiln", name, _core.__version__)
        inputs.restore()
        _core.clear_programs()
        _core.clear_kernel_cache()
        _core.release_cached_memory()
        in_use = _core.memory_stats()["in_use"]
        _core.reset_peak_memory()
        resident = measure.ResidentPeak()
        value, row.first_call_ms = measure.first_call(lambda: call(*inputs.args))
        row.peak_resident_bytes = resident.bytes()  # before what is kept of the results takes memory
        row.peak_tensor_bytes = max(0, _core.memory_stats()["peak"] - in_use)
        inputs.look()
        self.bits = _bits(value, inputs)
        self.values = arrays_of((value, inputs.args if inputs.mutated else ()))
        del value
        self.programs = _programs(call) if isinstance(call, Jitted) else []
        if self.programs:
            row.operators = sum(p.operators * p.runs for p in self.programs)
            row.library_calls = sum(p.library_calls * p.runs for p in self.programs)

        inputs.restore()
        before = _launches()
        again = call(*inputs.args)
        row.kernel_launches = _launches() - before
        self.repeatable = _bits(again, inputs) == self.bits
        del again

        inputs.restore()
        _core.release_cached_memory()
        resident = measure.ResidentPeak()
        samples = measure.sample(lambda: call(*inputs.args), seconds, repeat, inputs.restore if inputs.mutated else None)
        vars(row).update(measure.summary(samples))
        row.peak_resident_bytes = measure.larger(row.peak_resident_bytes, resident.bytes())

    def compare_with(self, eager: "_Run", repeatable: bool) -> None:
        _, percent, self.row.max_abs_difference_from_eager = differing(self.values, eager.values)
        self.row.differing_percent = percent
        if repeatable:
            self.row.bits_equal_to_eager = self.bits == eager.bits and self.repeatable


def problem_of(tier: str) -> str | None:
    """Why the back end cannot be used; None if it can."""
    before = _core.backend()
    _core.clear_kernel_cache()
    try:
        _core.set_backend(tier)
        _core.asarray([1.0]) + 1
    except RuntimeError as error:
        return str(error)
    finally:
        _core.set_backend(before)
    return None


def _bits(value: Any, inputs: Inputs) -> list:
    """Of the results, and of what the call changed."""
    return [bits_of(leaf) for leaf in _tree.flatten(value)[0]] + (inputs.bits() if inputs.mutated else [])


def _launches() -> int:
    return sum(_core.kernel_counters()["launches"].values())


def _programs(captured: Jitted) -> list[Program]:
    """What one call has run."""
    return [Program.of(trace) for trace in _core.captured_records(captured)["traces"]]


def _peer_rows(processes: "Peers", chosen: dict[str, tuple[str, ...]], eager: _Run, step: Callable[[str], None]) -> list[Row]:
    rows = []
    for peer, forms in chosen.items():
        own_eager = None
        for form in forms:
            step(form)
            row, values = processes.run(peer, form)
            rows.append(row)
            if values is None:
                continue
            row.max_abs_difference_from_kiln = largest_difference(values, eager.values)
            if form == peer:
                own_eager = values
            elif own_eager is not None:
                row.bits_equal_to_eager, row.differing_percent, row.max_abs_difference_from_eager = differing(values, own_eager)
    return rows


def _plain(f: Callable) -> Callable:
    if not callable(f):
        raise TypeError(f"compare takes a function or another callable, not {type(f).__name__}")
    if isinstance(f, Jitted):
        f = f.__wrapped__
    if not is_deferrable(f):
        raise TypeError(f"compare takes a function that returns its results; {f.__qualname__} is a generator or a coroutine")
    return f


def _checked_peers(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    names = [names] if isinstance(names, str) else list(names)
    if unknown := [name for name in names if name not in FORMS]:
        raise ValueError(f"no such peer: {', '.join(unknown)}; there is {', '.join(FORMS)}")
    return {name: FORMS[name] for name in names}


def _described(arg: Any) -> str:
    leaves = _tree.flatten(arg)[0]
    if len(leaves) != 1 or leaves[0] is not arg:
        return f"{type(arg).__name__} of {len(leaves)}"
    if isinstance(arg, (Tensor, np.ndarray)):
        return f"{arg.dtype.name}[{', '.join(map(str, arg.shape))}]"
    return repr(arg) if isinstance(arg, (int, float, str, type(None))) else type(arg).__name__


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as info:
            name = next((line.split(":", 1)[1].strip() for line in info if line.startswith("model name")), "")
    except OSError:
        name = ""
    return name or os.uname().machine
