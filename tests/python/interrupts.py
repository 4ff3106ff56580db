"""Processes that are interrupted as by Ctrl-C."""

import signal


def deliver_interrupts() -> None:
    """For preexec_fn of a process to be interrupted: tests may run in the background, where their children would ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
