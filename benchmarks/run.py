"""Measures Kiln beside its peers and the machine's limits, all in one run.

    python benchmarks/run.py                          every case, Kiln alone
    python benchmarks/run.py gelu_1e7 --peers torch   one case, PyTorch beside it
    python benchmarks/run.py --peers torch --json results.json --threads 2
    python benchmarks/run.py gelu --peers torch,tensorflow --peer-python torch=A/bin/python --peer-python tensorflow=B/bin/python

Every (case, library, mode) runs in a process of its own, in rounds, so that a noisy minute hits all of them alike.
`ratio` is Kiln's best time over the peer's in the same mode; `of limit` is the machine's limit (bytes or multiply-adds
that the work cannot avoid, at the speed measured in this run) over Kiln's best compiled time.
"""

import argparse
import datetime
import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILD = Path(os.environ.get("KILN_BUILD", HERE.parent / "build"))
sys.path.insert(0, str(HERE))
if importlib.util.find_spec("kiln") is None:
    sys.path.append(str(BUILD / "python"))

import measure  # noqa: E402
from cases import CASES  # noqa: E402
from worlds import PEERS, WORLDS, peak_memory  # noqa: E402

MANY_FIRSTS = 10  # budgets that calling many functions for the first time may take: some peers need seconds for each


def work(case, world_name, threads, budget):
    """One process: makes the case in one world and measures it. Returns a JSON-able record."""
    world = WORLDS[world_name](threads)
    job = case.make(world)
    result = {"version": world.version(), "bytes": job.bytes, "reads_only": job.reads_only, "flops": job.flops}
    if "firsts" in case.metrics:
        result["firsts"] = measure.each_once(job.firsts, MANY_FIRSTS * budget)
    else:
        result["first"] = measure.timed(job.call)
    if "call" in case.metrics:
        for _ in range(3):
            job.call()
        world.settle()
        for _ in range(3):
            job.call()
        result["call"] = measure.repeat(job.call, budget)
    job.check()
    result["memory"] = peak_memory()
    return result


def spawn(case, world, options, caches):
    peer = next((peer for peer, names in PEERS.items() if world in names), None)
    python = options.python_of.get(peer, options.python_of[None]) if peer else sys.executable
    command = [
        python,
        str(HERE / "run.py"),
        "--worker",
        world,
        "--threads",
        str(options.threads),
        "--budget",
        str(options.budget),
        case.name,
    ]
    environment = dict(os.environ, TORCHINDUCTOR_CACHE_DIR=caches, KILN_CACHE_DIR=caches, PYTHONWARNINGS="ignore")
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        return {"error": (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]}
    return json.loads(done.stdout.splitlines()[-1])


def measure_case(case, options):
    """Records by world: every round's samples together, first calls of the first round (caches are cold then)."""
    modes = {"eager": 0, "compiled": 1}
    worlds = [("kiln", "kiln.jit")[modes[mode]] for mode in case.worlds]
    worlds += [PEERS[peer][modes[mode]] for peer in options.peers for mode in case.worlds]
    worlds = [world for world in worlds if WORLDS[world].trains or not case.trains]
    rounds = []
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as caches:
            rounds.append({world: spawn(case, world, options, caches) for world in worlds})
    merged = {}
    for world in worlds:
        results = [r[world] for r in rounds]
        if failed := [r["error"] for r in results if "error" in r]:
            merged[world] = {"error": failed[0]}
            print(f"{case.name}, {world}: {failed[0]}", file=sys.stderr)
            continue
        record = {key: results[0][key] for key in ("version", "bytes", "reads_only", "flops")}
        if "firsts" in case.metrics:
            record["firsts"] = measure.summary([sample for r in results for sample in r["firsts"]])
        else:
            record["first"] = measure.summary([r["first"] for r in results])
        if "call" in case.metrics:
            record["call"] = measure.summary([sample for r in results for sample in r["call"]])
        record["memory"] = max(r["memory"] or 0 for r in results) or None
        merged[world] = record
    return merged


def machine_limits(threads):
    """Flops a second, and bytes copied or read a second by size of the working set; None where the program is not built."""
    program = BUILD / "benchmarks/kiln_limits"
    if not program.exists():
        return None
    command = [program, f"--threads={max(threads, 1)}", "--benchmark_format=json"]
    output = subprocess.run(command, capture_output=True, text=True, check=True)
    flops, speeds = 0.0, {"copy": {}, "read": {}}
    for run in json.loads(output.stdout)["benchmarks"]:
        if run["run_type"] != "iteration":
            continue
        kind, size = run["run_name"].split("/")[:2]
        if kind == "multiply_add":
            flops = max(flops, run["flops"])
        else:
            of_kind = speeds["read" if kind == "read" else "copy"]  # a copy with the stores that are faster at this size
            of_kind[int(size)] = max(of_kind.get(int(size), 0.0), run["bytes"])
    return {"flops": flops, **speeds}


def limit_seconds(record, limits):
    """The least time the record's work can take on this machine, or None where nothing bounds it but overhead."""
    if not limits or not (record.get("bytes") or record.get("flops")) or 0 < record["bytes"] < min(limits["copy"]):
        return None
    speeds = limits["read" if record["reads_only"] else "copy"]
    nearest = min(speeds, key=lambda size: abs(size.bit_length() - record["bytes"].bit_length()))
    return max(record["bytes"] / speeds[nearest], record["flops"] / limits["flops"])


def show_time(seconds):
    if seconds is None:
        return ""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def rows(case, records, limits, peers):
    """The table's rows of a case, one a metric: label, then a cell a world, ratios and the limit."""
    metrics = [part for metric in case.metrics for part in (("median", "p99") if metric == "firsts" else (metric,))]
    for metric in metrics:
        key, figure = ("firsts", metric) if metric in ("median", "p99") else (metric, "best")
        values = {world: record[key] if key == "memory" else record[key][figure] for world, record in records.items() if record.get(key)}
        suffix = {"call": "", "first": ": first", "memory": ": peak memory", "median": ": median", "p99": ": 99th percentile"}[metric]
        label = case.title + suffix
        if case.metrics == ("first",):
            label = case.title

        def show(world, metric=metric, values=values):
            value = values.get(world)
            if metric == "memory":
                return f"{value / 1e6:.0f} MB" if value else ""
            spread = records[world][metric]["spread"] if value and metric == "call" else 0
            return show_time(value) + (f" ±{50 * spread:.0f}%" if spread else "")

        cells = [show("kiln"), show("kiln.jit")]
        for peer in peers:
            for ours, theirs in zip(("kiln", "kiln.jit"), PEERS[peer], strict=True):
                ratio = values[ours] / values[theirs] if ours in values and theirs in values else None
                cells += [show(theirs), f"{ratio:.2g}" if ratio else ""]
        best = values.get("kiln.jit") or values.get("kiln")
        record = records.get("kiln.jit") or records.get("kiln") or {}
        limit = limit_seconds(record, limits) if metric == "call" and best else None
        cells += [show_time(limit), f"{limit / best:.0%}" if limit else ""]
        yield [label, *cells]


def table(lines):
    """Markdown, aligned."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    text = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines]
    return "\n".join([text[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *text[1:]])


def cpu_name():
    with open("/proc/cpuinfo") as info:
        return next((line.split(":", 1)[1].strip() for line in info if line.startswith("model name")), "unknown")


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of: {', '.join(CASES)} (a prefix will do; default: all)")
    parser.add_argument("--peers", default="", help=f"comma-separated, of: {', '.join(PEERS)}")
    parser.add_argument(
        "--peer-python",
        action="append",
        default=[],
        metavar="[PEER=]PATH",
        help="the interpreter that has the peers, or one of them (may be given several times)",
    )
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--rounds", type=int, default=2, help="processes for each measurement (default: 2)")
    parser.add_argument("--budget", type=float, default=2.0, help="seconds of samples in each of them (default: 2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything measured to FILE")
    parser.add_argument("--worker", choices=WORLDS, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    options.peers = [peer for peer in options.peers.split(",") if peer]
    if unknown := [peer for peer in options.peers if peer not in PEERS]:
        parser.error(f"no such peer: {', '.join(unknown)}; there is {', '.join(PEERS)}")
    options.python_of = {None: sys.executable}
    for entry in options.peer_python:
        peer, _, path = entry.rpartition("=")
        if peer and peer not in PEERS:
            parser.error(f"--peer-python: no such peer: {peer}; there is {', '.join(PEERS)}")
        options.python_of[peer or None] = path
    for name in options.cases:
        if not any(known.startswith(name) for known in CASES):
            parser.error(f"no such case: {name}; there is {', '.join(CASES)}")
    return options


def main():
    options = parse(sys.argv[1:])
    chosen = [case for name, case in CASES.items() if not options.cases or any(name.startswith(o) for o in options.cases)]
    if options.worker:
        print(json.dumps(work(CASES[options.cases[0]], options.worker, options.threads, options.budget)))
        return 0

    limits = machine_limits(options.threads)
    if limits is None:
        print("no limits: cmake --build --preset release --target kiln_limits", file=sys.stderr)
    heads = ["work", "kiln", "kiln.jit"]
    heads += [head for peer in options.peers for name in PEERS[peer] for head in (name, "ratio")]
    lines, everything = [[*heads, "limit", "of limit"]], {}
    for case in chosen:
        records = measure_case(case, options)
        everything[case.name] = {"title": case.title, "results": records}
        lines += rows(case, records, limits, options.peers)
        print(f"{case.name} done", file=sys.stderr)
    print(f"\n{cpu_name()}, {options.threads} threads; best times, ± half the distance between the quartiles\n")
    print(table(lines))
    if options.json:
        report = {
            "command": " ".join(sys.argv),
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "cpu": cpu_name(),
            "python": platform.python_version(),
            "threads": options.threads,
            "limits": limits,
            "cases": everything,
        }
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    return int(any("error" in record for entry in everything.values() for record in entry["results"].values()))


if __name__ == "__main__":
    sys.exit(main())
