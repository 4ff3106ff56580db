"""The command `kiln`. A subcommand is one module here, named in COMMANDS, with

    add(parser)  puts its arguments on an argparse parser; its docstring is the help
    run(given)   does it and returns the exit status

Modules import what is heavy only when they use it. Whoever finds the user's input wanting raises UsageError.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

COMMANDS = ("compare", "explain", "info", "run", "check")

EXIT_CODES = """exit status:
  0    all is well
  1    results differ
  2    wrong usage or input: arguments, a function that is not there or raises, a file that cannot be read or written
  3    all that Kiln ran is well, but something could not be measured or checked: a peer that is not installed, or fails; a back end that
       is not there; an entry that refused all of its inputs
  130  interrupted
"""


class UsageError(Exception):
    """What the user gave cannot be used; the message says why and what to do."""


def printable(text: str, keep: str = "\n") -> str:
    """For the terminal: what a file calls its tensors may hold control characters."""
    return "".join(c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text)


def parser() -> argparse.ArgumentParser:
    from kiln import __version__

    main_parser = argparse.ArgumentParser(
        prog="kiln",
        description="Kiln runs eager tensor programs captured, fused and compiled, without changing what they compute.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    main_parser.add_argument("--version", action="version", version=f"kiln {__version__}")
    subparsers = main_parser.add_subparsers(dest="command", metavar="command", required=True)
    for name in COMMANDS:
        module = importlib.import_module(f"kiln.cli.{name}")
        summary, _, _ = module.__doc__.partition("\n")
        sub = subparsers.add_parser(
            name, help=summary, description=module.__doc__, epilog=EXIT_CODES, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        module.add(sub)
        sub.set_defaults(run=module.run)
    return main_parser


def main(arguments: Sequence[str] | None = None) -> int:
    given = parser().parse_args(arguments)
    try:
        status = given.run(given)
        sys.stdout.flush()
        return status
    except UsageError as error:
        print(f"kiln {given.command}: {printable(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"kiln {given.command}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
