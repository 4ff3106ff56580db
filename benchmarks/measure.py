"""Timing: many samples, each long enough for the clock; the best, the median and their spread."""

import math
import statistics
import time

SAMPLE = 0.5e-3  # seconds; shorter calls are timed several to a sample
MOST = 200  # samples


def timed(call, times=1):
    start = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - start) / times


def repeat(call, budget, least=5):
    """Seconds a call, over as many samples as the budget of seconds allows."""
    once = min(timed(call) for _ in range(3))
    times = max(1, round(SAMPLE / once)) if once < SAMPLE else 1
    samples, end = [], time.perf_counter() + budget
    while len(samples) < least or (len(samples) < MOST and time.perf_counter() < end):
        samples.append(timed(call, times))
    return samples


def each_once(calls, budget):
    """Seconds of one call of each, as far as the budget of seconds goes, but of two at least."""
    samples, end = [], time.perf_counter() + budget
    for call in calls:
        if len(samples) >= 2 and time.perf_counter() > end:
            break
        samples.append(timed(call))
    return samples


def summary(samples):
    """Best, median, 99th percentile (nearest rank) and spread: the distance between the quartiles, over the median."""
    if len(samples) < 2:
        return {"best": samples[0], "median": samples[0], "p99": samples[0], "spread": 0.0, "samples": len(samples)}
    low, middle, high = statistics.quantiles(samples, n=4)
    p99 = sorted(samples)[math.ceil(0.99 * len(samples)) - 1]
    return {"best": min(samples), "median": middle, "p99": p99, "spread": (high - low) / middle, "samples": len(samples)}
