"""What a captured function did, for people: f.explain() and f.lower(...)."""

from dataclasses import dataclass, field


@dataclass
class Trace:
    """One program: the operators between the function's start (or an early end) and the next end."""

    operations: int
    kernels: int
    contractions: int
    launches: int
    compile_ms: float
    arena_bytes: int  # temporaries of one run
    live_bytes: int  # the most of them that are live at once
    lent_bytes: int  # of inputs that nobody sees afterwards, whose memory results and temporaries take over
    scratch_bytes: int  # what the contraction that needs most works in
    moved_bytes: int  # read and written by all steps that are not contractions
    least_bytes: int  # what those would move if everything between two contractions were one kernel
    runs: int
    steps: list[str]
    calls: list[list[int]]  # of each step: which of the recorded calls it computes
    lines: list[str]  # of each recorded call: "file.py:12"; empty where they are not known, as in calls without Python
    reasons: list[str]  # of each step: why it is one, and why what it reads is not computed in it
    costs: list[tuple[int, bool]]  # of each step: bytes read and written, and whether it is a contraction
    times: list[float]  # of each step: the shortest time in seconds while kn.config.profile was 1; empty if it never was
    code: list[str]  # of each step: whose code runs it now, and why; empty for what is no kernel
    flushes: list[dict]
    text: object = field(repr=False)

    def as_text(self, what: str = "graph") -> str:
        """The program as "trace" (as recorded), "graph" (after the passes), "kernels", "asm", "llvm", "cuda" or "ptx".

        "cuda" is CUDA C without any #include, one source for each kernel; "ptx" is what NVRTC makes of it for sm_80, where
        nvidia-cuda-nvrtc is installed. Neither needs a driver or a GPU.
        """
        return self.text(what)


_HOW = {"replay": "by replay", "segments": "in segments", "eager": "eagerly"}


class Explanation:
    """As text, it tells each trace, early end and kernel; as data, .traces, .flushes, .fallbacks, .kernels and .compile_ms do."""

    def __init__(self, records: dict, captured: object = None) -> None:
        from kiln.capture.telling import capture_of

        capture = capture_of(captured, records["replays"])
        self.name: str = records["name"]
        self.calls: int = records["calls"]
        self.replays: int = records["replays"]  # of the calls, those that ran without Python
        self.traces = [Trace(**t) for t in records["traces"]]
        self.untold_runs: int = records["untold_runs"]  # of traces beyond those that are kept
        self.fallbacks: dict[str, int] = {**records["fallbacks"], **capture.fallbacks}
        self.recordings: int = capture.recordings
        self.guards: list[str] = capture.guards
        self.rerecordings = capture.recompiles  # each with the .path that had changed, .before, .now and .milliseconds
        self.compile_ms: float = records["compile_ms"]
        self.loops = capture.loops  # that data decides, each with .iterations, .is_compiled and .as_text("kernels" or "asm")
        self.lost_ms: dict[str, float] = capture.lost  # of fallbacks of recordings: the milliseconds that were spent on them
        self.way: str = records.get("way", "segments")  # how calls run now: by "replay", in "segments" or "eager"
        self.way_microseconds: dict[str, float] = records.get("way_microseconds", {})  # of a call, where that was measured
        self._text: str = records["text"] + capture.text() + self._choice()

    @property
    def flushes(self) -> list[dict]:
        """Ends of a trace before the function's own end: reason, where, count."""
        return [f for t in self.traces for f in t.flushes if not f["at_end"]]

    @property
    def kernels(self) -> list[str]:
        """One line for each step of each trace."""
        return [step for t in self.traces for step in t.steps]

    @property
    def recompiles(self) -> int:
        """Traces beyond the first."""
        return max(0, len(self.traces) - 1)

    def _choice(self) -> str:
        if not self.way_microseconds:
            return ""
        times = ", ".join(f"{time:.1f} us {_HOW[way]}" for way, time in self.way_microseconds.items())
        return f"\n  calls run {_HOW[self.way]}, as measured: {times}" + (
            "" if self.way != "eager" else '; jit(mode="segments") overrides it'
        )

    def __str__(self) -> str:
        return self._text

    def to_html(self, path) -> None:
        """Writes one page that needs nothing else: what ran without Python and what did not, what is checked and what changed, and each
        program's graph and kernels, with the lines they are made of and why they are what they are."""
        from kiln._files import write_whole
        from kiln.comparing.explained import explanation_page

        write_whole(path, explanation_page(self).encode())

    def __repr__(self) -> str:  # short: explain() has printed the text
        return f"<explanation of {self.name}: {self.calls} calls, {len(self.traces)} traces>"


class Lowered:
    """The programs of one call; `.as_text(what)` joins their texts."""

    def __init__(self, traces: list[dict]) -> None:
        self.traces = [Trace(**t) for t in traces]

    def as_text(self, what: str = "graph") -> str:
        return "\n".join(t.as_text(what) for t in self.traces)
