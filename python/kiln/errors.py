"""What is raised where a captured function was asked to be stricter than it has to be."""


class NotReplayedError(RuntimeError):
    """By mode="replay": a call has to run in Python. The message has the line and the reason."""


class RecompileError(RuntimeError):
    """By kn.config.fail_on_recompile: a function would be recorded again. The message has what had changed, from what and to what."""


class VerificationError(RuntimeError):
    """By kn.config.verify: a call without Python does not do what Python does. The message has what differs."""
