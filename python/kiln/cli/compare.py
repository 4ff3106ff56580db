"""runs a function eagerly and compiled, by each tier and beside other libraries: times, memory, kernels, bits

kiln compare examples/compare/functions.py:softmax
kiln compare module:function --shape 4096x1024:float32 --shape 1024 --html softmax.html
kiln compare module:function --peers torch,jax --peer-python torch=torch-env/bin/python --json -

"""

import argparse
import importlib.util

from kiln._files import why_not_writable
from kiln.cli import UsageError, functions
from kiln.cli.progress import Progress
from kiln.comparing.compare import FORMS

__doc__ += (
    functions.HELP
    + """
peers run the same function, imported with their own namespace in place of Kiln's, so it is to use the array API's names, from
`import kiln as kn` or `xp = x.__array_namespace__()`. What a peer cannot do is a row that says why.
"""
)


def add(parser: argparse.ArgumentParser) -> None:
    functions.add(parser)
    parser.add_argument("--peers", default="", metavar="NAME,NAME", help=f"libraries to run beside Kiln, of: {', '.join(FORMS)}")
    parser.add_argument(
        "--peer-python",
        action="append",
        default=[],
        metavar="[NAME=]PATH",
        help="the interpreter that has the peers, or the peer NAME (default: this one). May be given more than once",
    )
    parser.add_argument("--interpreter", action="store_true", help="measure the reference back end too, which is slow")
    parser.add_argument("--seconds", type=float, default=1.0, help="to measure each row for, about (default: 1)")
    parser.add_argument("--repeat", type=int, default=100, help="samples of each row at most (default: 100)")
    parser.add_argument("--json", metavar="FILE", help="write all figures there; '-' is standard output, without the table")
    parser.add_argument("--plot", metavar="FILE.png", help="draw the times (needs matplotlib)")
    parser.add_argument("--html", metavar="FILE.html", help="write one page with figures, charts, graph and kernels; works offline")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run(given: argparse.Namespace) -> int:
    from kiln.comparing.compare import compare

    peers, pythons = _peers(given)
    _check_outputs(given)
    function, inputs = functions.chosen(given)
    progress = Progress(given.quiet)
    try:
        result = compare(
            function,
            *inputs,
            repeat=given.repeat,
            seconds=given.seconds,
            interpreter=given.interpreter,
            peers=peers,
            peer_python=pythons,
            progress=progress,
        )
    except Exception as error:
        raise UsageError(f"{given.function} failed: {functions.told(error)}") from error
    finally:
        progress.close()
    print(result.to_json() if given.json == "-" else result, end="" if given.json == "-" else "\n")
    for write, path in ((result.to_json, given.json), (result.plot, given.plot), (result.to_html, given.html)):
        if path and path != "-":
            try:
                write(path)
            except OSError as error:
                raise UsageError(f"cannot write {path}: {error.strerror or error}") from error
    if not result.bits_equal:
        return 1
    return 3 if any(row.error for row in result.rows) else 0


def _peers(given: argparse.Namespace) -> tuple[list[str], dict[str, str]]:
    peers = [name.strip() for name in given.peers.split(",") if name.strip()]
    pythons: dict[str, str] = {}
    for entry in given.peer_python:
        name, equals, path = entry.partition("=")
        if equals and name in FORMS:
            pythons[name] = path
        else:
            pythons = dict.fromkeys(FORMS, entry) | pythons
    if unknown := [name for name in peers if name not in FORMS]:
        raise UsageError(f"no such peer: {', '.join(unknown)}; there is {', '.join(FORMS)}")
    return peers, pythons


def _check_outputs(given: argparse.Namespace) -> None:
    """Now, rather than after a minute of measuring."""
    if not given.seconds > 0 or given.seconds > 3600:
        raise UsageError("--seconds must be over 0 and at most 3600")
    if not 1 <= given.repeat <= 1_000_000:
        raise UsageError("--repeat must be from 1 to 1000000")
    for option, path in (("json", given.json), ("plot", given.plot), ("html", given.html)):
        if path and path != "-" and (problem := why_not_writable(path)):
            raise UsageError(f"--{option} {problem}")
    if given.plot and not given.plot.endswith(".png"):
        raise UsageError(f"--plot {given.plot}: writes PNG, so a name that ends in .png")
    if given.plot and importlib.util.find_spec("matplotlib") is None:
        raise UsageError("--plot needs matplotlib: pip install matplotlib")
