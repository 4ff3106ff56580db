"""Times calls and watches memory. Also used in the peers' processes, so it imports nothing but the standard library."""

import gc
import time

SAMPLE = 0.5e-3  # seconds; shorter calls are timed several to a sample
LEAST = 5  # samples
WARM_UP = 3  # calls between the first one and the first sample


def _timed(call, times=1):
    start = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - start) / times


def first_call(call):
    """The result of a call, and how long it took in milliseconds."""
    start = time.perf_counter()
    result = call()
    return result, (time.perf_counter() - start) * 1e3


def sample(call, seconds, most, before=None):
    """Milliseconds a call, one number a sample, after a warm-up; `before` runs ahead of each sample, untimed.

    Several short calls make one sample, unless `before` is given: then what it prepares is for one call.
    """
    warm = []
    for _ in range(WARM_UP):
        if before:
            before()
        warm.append(_timed(call))
    once = max(min(warm), 1e-9)
    times = 1 if before or once >= SAMPLE else max(1, round(SAMPLE / once))
    gc.collect()
    samples, end = [], time.perf_counter() + seconds
    while len(samples) < LEAST or (len(samples) < most and time.perf_counter() < end):
        if before:
            before()
        samples.append(_timed(call, times) * 1e3)
    return samples


def summary(samples):
    """The median and the quartiles, in the samples' unit."""
    import statistics  # slow to import

    low, middle, high = statistics.quantiles(samples, n=4, method="inclusive")
    return {"median_ms": middle, "quartile1_ms": low, "quartile3_ms": high, "samples": len(samples)}


class ResidentPeak:
    """How far this process's resident memory has risen above where it was when the object was made; None where Linux does not say."""

    def __init__(self):
        try:
            with open("/proc/self/clear_refs", "w") as file:
                file.write("5")  # forget the highest so far; proc(5)
            self._before = _status("VmRSS:")
        except OSError:
            self._before = None

    def bytes(self):
        highest = _status("VmHWM:") if self._before is not None else None
        return None if highest is None else max(0, highest - self._before)


def larger(a, b):
    """Of two figures either of which may be unknown."""
    return None if a is None or b is None else max(a, b)


def _status(name):
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith(name):
                return int(line.split()[1]) * 1024
    return None
